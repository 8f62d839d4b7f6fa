/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, networks, quantities, versions, named formats: what the conformance suite leaves open.
 */

#include "../unit.h"
#include "cel/cel.h"

#include <stdio.h>

static const struct cel_env checked = {0}, unchecked = {.unchecked = true};

static int evaluate(const struct cel_env *env, const char *source, struct cel_value *ret_value)
{
    struct arena arena = ARENA_INIT;
    struct cel_program *program = NULL;
    struct cel_problem problems[CEL_PROBLEMS_MAX];
    struct nsh_error error = {0};
    size_t count = 0;
    int r = cel_compile(env, source, &arena, &program, problems, &count);
    if (r == 0) {
        r = cel_eval(program, NULL, &arena, ret_value, &error);
    }
    arena_done(&arena);
    return r;
}

static void check_true(const char *source)
{
    const struct cel_env *envs[] = {&checked, &unchecked};
    for (int i = 0; i < 2; i++) {
        struct cel_value value = {0};
        int r = evaluate(envs[i], source, &value);
        if (r < 0 || value.kind != CEL_BOOL || !value.boolean) {
            fail_msg("%s: %s gives %d, kind %u", i == 0 ? "checked" : "unchecked", source, r,
                     value.kind);
        }
    }
}

static void check_error(const char *source)
{
    const struct cel_env *envs[] = {&checked, &unchecked};
    for (int i = 0; i < 2; i++) {
        struct cel_value value = {0};
        if (evaluate(envs[i], source, &value) != -NSH_INVALID) {
            fail_msg("%s: %s is no error", i == 0 ? "checked" : "unchecked", source);
        }
    }
}

static const char *const network_truths[] = {
    "isIP('10.0.0.1') && isIP('::1') && isIP('::') && isIP('2001:db8::1')",
    "!isIP('') && !isIP('10.0.0') && !isIP('10.0.0.256') && !isIP('10.0.0.01') && !isIP('1:2')",
    "!isIP('10.0.0.1/8') && !isIP(' 10.0.0.1') && !isIP('fe80::1%eth0') && !isIP('10.0.0.1\\x00')",
    "!isIP('::ffff:10.0.0.1')",         /* Readers disagree on it. */
    "ip('::ffff:a00:1').family() == 4", /* The same address, whatever it came as. */
    "ip('::ffff:a00:1') == ip('10.0.0.1') && ip('10.0.0.1').family() == 4",
    "string(ip('2001:0DB8:0:0:1:0:0:1')) == '2001:db8::1:0:0:1'", /* The first of equal runs. */
    "string(ip('1:0:2:0:0:0:3:4')) == '1:0:2::3:4' && string(ip('::')) == '::'",
    "string(ip('1:0:2:3:4:5:6:7')) == '1:0:2:3:4:5:6:7'", /* One zero group stays. */
    "string(ip('1::')) == '1::' && string(ip('::1')) == '::1'",
    "ip.isCanonical('2001:db8::1') && !ip.isCanonical('2001:0db8::1') && ip.isCanonical('1.2.3.4')",
    "ip('0.0.0.0').isUnspecified() && !ip('0.0.0.1').isUnspecified() && !ip('::1').isUnspecified()",
    "ip('127.9.9.9').isLoopback() && ip('::1').isLoopback() && !ip('::2').isLoopback()",
    "ip('224.0.0.1').isLinkLocalMulticast() && ip('ff02::1').isLinkLocalMulticast()",
    "!ip('224.0.1.1').isLinkLocalMulticast() && !ip('ff05::1').isLinkLocalMulticast()",
    "ip('febf::1').isLinkLocalUnicast() && !ip('fec0::1').isLinkLocalUnicast()",
    "ip('10.0.0.1').isGlobalUnicast() && ip('8.8.8.8').isGlobalUnicast()",
    "!ip('255.255.255.255').isGlobalUnicast() && !ip('224.0.0.1').isGlobalUnicast()",
    "!ip('169.254.1.1').isGlobalUnicast() && ip('fd00::1').isGlobalUnicast()",
    "isCIDR('10.0.0.0/8') && isCIDR('::/0') && isCIDR('10.0.0.1/32') && isCIDR('0.0.0.0/0')",
    "!isCIDR('10.0.0.0') && !isCIDR('10.0.0.0/33') && !isCIDR('::/129') && !isCIDR('10.0.0.0/08')",
    "!isCIDR('10.0.0.0/+8') && !isCIDR('10.0.0.0/-1') && !isCIDR('/8') && !isCIDR('1.2.3.4/8/8')",
    "cidr('10.0.0.0/8').containsIP('10.255.255.255') && !cidr('10.0.0.0/8').containsIP('11.0.0.0')",
    "cidr('10.1.2.3/9').containsIP('10.127.0.0') && !cidr('10.1.2.3/9').containsIP('10.128.0.0')",
    "!cidr('::/0').containsIP('10.0.0.1') && !cidr('0.0.0.0/0').containsIP('::1')",
    "cidr('0.0.0.0/0').containsIP('255.1.2.3') && cidr('::/0').containsIP('2001:db8::1')",
    "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16')",
    "!cidr('10.0.0.0/16').containsCIDR('10.0.0.0/8')", /* Too wide. */
    "!cidr('10.0.0.0/8').containsCIDR('::/0')",
    "string(cidr('10.1.2.3/12').masked()) == '10.0.0.0/12'",
    "string(cidr('2001:db8:ffff::1/33').masked()) == '2001:db8:8000::/33'",
    "cidr('10.1.2.3/12').ip() == ip('10.1.2.3') && cidr('::/7').prefixLength() == 7",
    "cidr('10.0.0.1/8') != cidr('10.0.0.0/8') && cidr('0.0.0.0/0') != cidr('::/0')",
    "type(ip('::1')) == net.IP && [ip('::1'), ip('1.1.1.1')].exists(a, a.family() == 4)",
};

static const char *const quantity_truths[] = {
    "isQuantity('1.') && isQuantity('.5') && isQuantity('+1') && isQuantity('-1.5Gi')",
    "!isQuantity('') && !isQuantity('.') && !isQuantity('1.2.3') && !isQuantity('Ki')",
    "!isQuantity('1 Ki') && !isQuantity('1K') && !isQuantity('1e') && !isQuantity('1e1.5')",
    "!isQuantity('--1') && !isQuantity('1e+-3') && !isQuantity('1Mim') && !isQuantity('1ki')",
    "quantity('1e3') == quantity('1k') && quantity('1E3') == quantity('1000')",
    "quantity('1E') == quantity('1000P') && quantity('1e-3') == quantity('1m')",
    "quantity('1Ki').asInteger() == 1024 && quantity('0.5Ki').asInteger() == 512",
    "quantity('1500m').asApproximateFloat() == 1.5 && !quantity('1500m').isInteger()",
    "quantity('2000m').isInteger() && quantity('2000m').asInteger() == 2",
    "quantity('0.1n') == quantity('1n')",   /* Finer than a billionth is rounded up, */
    "quantity('-0.1n') == quantity('-1n')", /* away from zero. */
    "quantity('1e-900') == quantity('1n') && quantity('0e-900') == quantity('0')",
    "quantity('-0') == quantity('0') && quantity('-0').sign() == 0",
    "quantity('-5').sign() == -1 && quantity('5').sign() == 1",
    "quantity('-2').isLessThan(quantity('-1')) && quantity('-1').isLessThan(quantity('1'))",
    "quantity('1').sub(quantity('1')).sign() == 0 && quantity('1').sub(3).asInteger() == -2",
    "quantity('-3').add(1).asInteger() == -2 && quantity('-3').sub(-5).asInteger() == 2",
    "quantity('9223372036854775807').asInteger() == 9223372036854775807",
    "quantity('-9223372036854775808').asInteger() == -9223372036854775807 - 1",
    "!quantity('9223372036854775808').isInteger() && !quantity('-9223372036854775809').isInteger()",
    "quantity('16Ei') == quantity('9223372036854775807')", /* Binary suffixes are capped. */
    "quantity('1e30').add(1).compareTo(quantity('1e30')) == 1",
    "quantity('4.294967296G').sub(quantity('1n')).asApproximateFloat() < 4294967297.0",
    "type(quantity('1')) == kubernetes.Quantity",
};

static const char *const semver_truths[] = {
    "semver('1.0.0-alpha').isLessThan(semver('1.0.0-alpha.1'))",
    "semver('1.0.0-alpha.1').isLessThan(semver('1.0.0-alpha.beta'))", /* Numbers first. */
    "semver('1.0.0-beta.2').isLessThan(semver('1.0.0-beta.11'))",
    "semver('1.0.0-rc.1').isLessThan(semver('1.0.0')) && "
    "semver('1.9.0').isLessThan(semver('1.10.0'))",
    "semver('1.0.0+a') == semver('1.0.0+b') && semver('1.0.0+a').compareTo(semver('1.0.0')) == 0",
    "semver('4.5.6').major() == 4 && semver('4.5.6').minor() == 5 && semver('4.5.6').patch() == 6",
    "isSemver('1.0.0-a-b.c-d+e-f') && isSemver('1.0.0+001') && isSemver('0.0.0')",
    "!isSemver('') && !isSemver('1.0.0-') && !isSemver('1.0.0+') && !isSemver('1.0.0-01')",
    "!isSemver('1.0.0-a..b') && !isSemver('1.0.0.0') && !isSemver('1.0.-1') && "
    "!isSemver('1.0.0-a.')",
    "!isSemver('99999999999999999999.0.0') && !isSemver('1.0.0-\\u00e9') && !isSemver('+1.0.0')",
    "semver('v1', true) == semver('1.0.0') && isSemver('v01.02.03-rc1', true)",
    "!isSemver('1-rc1', true) && !isSemver('1.2+b', true) && !isSemver('v', true)",
    "!isSemver('v1.0.0', false) && isSemver('1.2.3-a.b.c', true) && !isSemver('1.2.3.4', true)",
};

static const char *const format_truths[] = {
    "format.dns1123Label().validate('-a').value().size() == 1",
    "format.dns1123Label().validate('A').hasValue() && "
    "format.dns1123Label().validate('').hasValue()",
    "!format.dns1123Label().validate('0a').hasValue() && "
    "format.dns1035Label().validate('0a').hasValue()",
    "format.dns1123Subdomain().validate('a..b').hasValue() && "
    "!format.dns1123Subdomain().validate('a.b').hasValue()",
    "!format.dns1123LabelPrefix().validate('a-').hasValue() && "
    "format.dns1123LabelPrefix().validate('-').hasValue()",
    "format.qualifiedName().validate('a/').hasValue() && "
    "format.qualifiedName().validate('a/b/c').hasValue()",
    "!format.labelValue().validate('').hasValue() && "
    "!format.labelValue().validate('A_b.c-d').hasValue()",
    "!format.uri().validate('https://a.b/c?d').hasValue() && format.uri().validate('a "
    "b').hasValue()",
    "format.uri().validate('no-scheme').hasValue() && "
    "format.uri().validate('https://a/%zz').hasValue()",
    "!format.uuid().validate('123e4567-e89b-12d3-a456-426614174000').hasValue()",
    "format.uuid().validate('123e4567-e89b-12d3-a456-42661417400').hasValue()",
    "format.uuid().validate('').hasValue() && format.byte().validate('aGVs=G8=').hasValue()",
    "format.date().validate('2026-02-29').hasValue() && "
    "!format.date().validate('2028-02-29').hasValue()",
    "format.named('date').value().validate('x').hasValue() && !format.named('').hasValue()",
};

static const char *const errors[] = {
    "ip('')",
    "ip(semver('1.0.0'))",
    "cidr('10.0.0.0/8').containsIP('x')",
    "cidr('10.0.0.0/8').containsCIDR('10.0.0.0')",
    "quantity('1e999')",
    "quantity('1e145').add(quantity('9e144')).add(quantity('9e144')).add(quantity('9e144'))",
    "quantity('1m').asInteger()",
    "semver('1.0')",
    /* Opaque values of other classes must never reach a function. */
    "dyn(ip('::1')).isLessThan(semver('1.0.0'))",
    "dyn(quantity('1')).compareTo(dyn(semver('1.0.0')))",
    "dyn(semver('1.0.0')).prefixLength()",
    "dyn(format.date()).family()",
};

static void check_all(const char *const *sources, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        check_true(sources[i]);
    }
}

static void networks(void **state)
{
    (void)state;
    check_all(network_truths, sizeof network_truths / sizeof *network_truths);
}

static void quantities(void **state)
{
    (void)state;
    check_all(quantity_truths, sizeof quantity_truths / sizeof *quantity_truths);
}

static void versions(void **state)
{
    (void)state;
    check_all(semver_truths, sizeof semver_truths / sizeof *semver_truths);
}

static void named_formats(void **state)
{
    (void)state;
    check_all(format_truths, sizeof format_truths / sizeof *format_truths);
}

static void mistakes_are_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        check_error(errors[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks),
        cmocka_unit_test(quantities),
        cmocka_unit_test(versions),
        cmocka_unit_test(named_formats),
        cmocka_unit_test(mistakes_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* known_hosts, addresses, commands, what hosts print; and the memory of a session. */

#include "../unit.h"

#include "ssh_codec.h"
#include "ssh_memory.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

/* Two public keys; the first is the one that the host shows. */
#define KEY "AAAAC3NzaC1lZDI1NTE5AAAAIFaT8wiJq2gIg+GF0xxlvNzAHVWsszvFWryCceUhdGbL"
#define OTHER "AAAAC3NzaC1lZDI1NTE5AAAAIJWLNv6/iOZS+/QqKZ00CgljzahUD961azhpnTSBosZa"
#define FINGERPRINT "SHA256:7Y38TkJNBNG7sFEbrwBHEL9PEEgzCGTlIes2js8ETWI" /* ssh-keygen -lf */
/* ssh-keygen -H of "[10.1.1.5]:2222" */
#define HASHED "|1|07CWGzZ6MPyfZVRUFxIPX5kXHbc=|FW8Qc7jlum3xCp3n3VXuWilWdls="
#define ED " ssh-ed25519 "

static struct ssh_host_key host_key(uint8_t bytes[64])
{
    int count = EVP_DecodeBlock(bytes, (const uint8_t *)KEY, (int)strlen(KEY));
    return (struct ssh_host_key){bytes, (size_t)count};
}

static void test_known_hosts(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
        enum ssh_known known;
        unsigned kinds;
        const char *why;
    } rows[] = {
        {"", "h", 22, SSH_UNKNOWN, 0, "an empty file"},
        {"h" ED KEY "\n", "h", 22, SSH_KNOWN, SSH_ED25519, "a plain name"},
        {"h" ED KEY, "h", 22, SSH_KNOWN, SSH_ED25519, "the last line needs no end"},
        {"h" ED KEY "\r\n", "h", 22, SSH_KNOWN, SSH_ED25519, "edited on another system"},
        {"\t h \t ssh-ed25519\t" KEY " a comment\n", "h", 22, SSH_KNOWN, SSH_ED25519, "blanks"},
        {"#h" ED KEY "\n", "h", 22, SSH_UNKNOWN, 0, "a comment"},
        {"H.Example" ED KEY, "h.eXample", 22, SSH_KNOWN, SSH_ED25519, "names have no case"},
        {"h" ED OTHER "\n", "h", 22, SSH_CHANGED, SSH_ED25519, "another key"},
        {"h" ED OTHER "\nh" ED KEY "\n", "h", 22, SSH_KNOWN, SSH_ED25519, "one of two"},
        {"hh" ED KEY "\n", "h", 22, SSH_UNKNOWN, 0, "a longer name"},
        {"h" ED KEY "\n", "hh", 22, SSH_UNKNOWN, 0, "a shorter name"},
        {"a,h,b" ED KEY, "h", 22, SSH_KNOWN, SSH_ED25519, "one of several names"},
        {"h" ED KEY, "h", 2222, SSH_UNKNOWN, 0, "another port is another server"},
        {"[h]:2222" ED KEY, "h", 2222, SSH_KNOWN, SSH_ED25519, "with its port"},
        {"[h]:2222" ED KEY, "h", 22, SSH_UNKNOWN, 0, "with a port that is not asked for"},
        {"[fd00::1]:2222" ED KEY, "fd00::1", 2222, SSH_KNOWN, SSH_ED25519, "IPv6"},
        {"fd00::1" ED KEY, "fd00::1", 22, SSH_KNOWN, SSH_ED25519, "IPv6, the usual port"},
        {"*.lab" ED KEY, "n1.lab", 22, SSH_KNOWN, SSH_ED25519, "a pattern"},
        {"n?.lab" ED KEY, "n12.lab", 22, SSH_UNKNOWN, 0, "? is one character"},
        {"*.lab,!bad.lab" ED KEY, "bad.lab", 22, SSH_UNKNOWN, 0, "taken out again"},
        {"!bad.lab,*.lab" ED KEY, "bad.lab", 22, SSH_UNKNOWN, 0, "in any order"},
        {"!bad.lab" ED KEY, "good.lab", 22, SSH_UNKNOWN, 0, "taking out alone takes nothing in"},
        {"*a*a*a*a*b" ED KEY, "aaaaaaaaaaaaaaaaaaaaaaaaaaaac", 22, SSH_UNKNOWN, 0, "many stars"},
        {HASHED ED KEY, "10.1.1.5", 2222, SSH_KNOWN, SSH_ED25519, "a hashed name"},
        {HASHED ED KEY, "10.1.1.5", 22, SSH_UNKNOWN, 0, "a hashed name, another port"},
        {HASHED ED OTHER, "10.1.1.5", 2222, SSH_CHANGED, SSH_ED25519, "hashed, another key"},
        {"|1|x|y" ED KEY, "h", 22, SSH_UNKNOWN, 0, "no hash"},
        {"|1|07CWGzZ6MPyfZVRUFxIPX5kXHbc=" ED KEY, "h", 22, SSH_UNKNOWN, 0, "half a hash"},
        {"@revoked h" ED KEY "\n", "h", 22, SSH_REVOKED, 0, "revoked"},
        {"h" ED KEY "\n@revoked *" ED KEY "\n", "h", 22, SSH_REVOKED, SSH_ED25519, "it counts"},
        {"@revoked *" ED OTHER "\nh" ED KEY, "h", 22, SSH_KNOWN, SSH_ED25519, "another's"},
        {"@cert-authority *" ED KEY, "h", 22, SSH_UNKNOWN, 0, "certificates are not checked"},
        {"@strange h" ED KEY, "h", 22, SSH_UNKNOWN, 0, "a mark nobody knows"},
        {"h ssh-rsa AAAA", "h", 22, SSH_CHANGED, SSH_RSA, "known by another kind of key"},
        {"h ssh-dss AAAA", "h", 22, SSH_UNKNOWN, 0, "of a kind that cannot be checked"},
        {"h" ED "AAA", "h", 22, SSH_UNKNOWN, 0, "no base64"},
        {"h" ED "%%%%", "h", 22, SSH_UNKNOWN, 0, "no base64 either"},
        {"h" ED "====", "h", 22, SSH_UNKNOWN, 0, "nothing but padding"},
        {"h ssh-ed25519", "h", 22, SSH_UNKNOWN, 0, "no key"},
        {"h", "h", 22, SSH_UNKNOWN, 0, "a name alone"},
        {",,," ED KEY, "h", 22, SSH_UNKNOWN, 0, "no names"},
    };
    uint8_t bytes[64];
    struct ssh_host_key key = host_key(bytes);
    for (size_t i = 0; i < ROWS(rows); i++) {
        unsigned kinds = 99;
        enum ssh_known known = ssh_known_host(rows[i].text, strlen(rows[i].text), rows[i].host,
                                              rows[i].port, &key, &kinds);
        if (known != rows[i].known || kinds != rows[i].kinds) {
            fail_msg("%s: got %d with kinds %u, wanted %d with %u", rows[i].why, (int)known, kinds,
                     (int)rows[i].known, rows[i].kinds);
        }
        known = ssh_known_host(rows[i].text, strlen(rows[i].text), rows[i].host, rows[i].port, NULL,
                               &kinds);
        if (known == SSH_KNOWN || kinds != rows[i].kinds) {
            fail_msg("%s, before the host showed a key: %d, %u", rows[i].why, (int)known, kinds);
        }
    }
}

static void test_known_hosts_bounds(void **state)
{
    static char text[3 * 8192];
    uint8_t bytes[64];
    unsigned kinds = 0;
    struct ssh_host_key key = host_key(bytes);
    memset(text, 'x', 9000);
    size_t count =
        9000u + (size_t)snprintf(text + 9000, sizeof text - 9000, " y\nh" ED "%s\n", KEY);
    assert_int_equal(ssh_known_host(text, count, "h", 22, &key, &kinds), SSH_KNOWN);
    text[0] = 'h';
    memset(text + 1, ',', 8999);
    assert_int_equal(ssh_known_host(text, count - 1, "h", 22, &key, &kinds), SSH_KNOWN);
}

static void test_fingerprint(void **state)
{
    uint8_t bytes[64];
    char fingerprint[SSH_FINGERPRINT_MAX];
    struct ssh_host_key key = host_key(bytes);
    ssh_fingerprint(&key, fingerprint);
    assert_string_equal(fingerprint, FINGERPRINT);
}

static void test_addresses(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
        const char *why;
    } rows[] = {
        {"10.1.1.5", "10.1.1.5", 22, "the usual port"},
        {"n1.lab:2222", "n1.lab", 2222, "a port"},
        {"fd00::1", "fd00::1", 22, "IPv6 as it stands has no port"},
        {"[fd00::1]:2222", "fd00::1", 2222, "IPv6 with a port"},
        {"[fd00::1]", "fd00::1", 22, "brackets alone"},
        {"fe80::1%eth0", "fe80::1%eth0", 22, "a zone"},
        {"", NULL, 0, "nothing"},
        {":22", NULL, 0, "no host"},
        {"h:", NULL, 0, "no port behind the colon"},
        {"h:0", NULL, 0, "no such port"},
        {"h:65536", NULL, 0, "no such port either"},
        {"h:22x", NULL, 0, "a port and more"},
        {"h:+22", NULL, 0, "digits only"},
        {"[h", NULL, 0, "no end"},
        {"[]:22", NULL, 0, "nothing in it"},
        {"-oProxyCommand=x", NULL, 0, "an option"},
        {"h;reboot", NULL, 0, "no name"},
        {"user@h", NULL, 0, "the user has a setting of its own"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char host[SSH_HOST_MAX] = "";
        uint16_t port = 0;
        struct nsh_error err = {0};
        int result = ssh_address_read(rows[i].text, host, &port, &err);
        if (rows[i].host == NULL
                ? result != -NSH_INVALID
                : result != 0 || port != rows[i].port || strcmp(host, rows[i].host) != 0) {
            fail_msg("%s: %d, %s, %u", rows[i].why, result, host, port);
        }
    }
}

static void test_commands(void **state)
{
    static const struct {
        const char *words[4];
        int result;
        const char *command, *look, *why;
    } rows[] = {
        {{"systemctl", "reboot"}, 0, "systemctl reboot", "command -v systemctl", "plain words"},
        {{"/opt/a b/x"}, 0, "'/opt/a b/x'", "command -v '/opt/a b/x'", "a blank in the program"},
        {{"it's", "x"}, 0, "'it'\\''s' x", "command -v 'it'\\''s'", "a quote"},
        {{"' '", "x"}, 0, "''\\'' '\\''' x", "command -v ''\\'' '\\'''", "quotes and a blank"},
        {{"echo", ""}, 0, "echo ''", "command -v echo", "an empty word is one"},
        {{"echo", "$(id)", "*"}, 0, "echo '$(id)' '*'", "command -v echo", "for no shell"},
        {{"sudo", "-n", "systemctl", "reboot"},
         0,
         "sudo -n systemctl reboot",
         "sudo -n -l systemctl reboot",
         "sudo is asked"},
        {{"sudo", "x"}, 0, "sudo x", "sudo -n -l x", "it must never ask for a password"},
        {{"sudo", "-n", "-n", "x"}, 0, "sudo -n -n x", "sudo -n -l x", "twice"},
        {{"sudo", "-u", "ops", "x"}, 0, "sudo -u ops x", "sudo -n -l -u ops x", "as another"},
        {{"sudoku", "x"}, 0, "sudoku x", "command -v sudoku", "another program"},
        {{"-rf"}, -NSH_INVALID, NULL, NULL, "an option"},
        {{"A=1", "x"}, -NSH_INVALID, NULL, NULL, "an assignment"},
        {{""}, -NSH_INVALID, NULL, NULL, "no program"},
        {{"x", "a\nb"}, -NSH_INVALID, NULL, NULL, "a second line"},
        {{NULL}, -NSH_INVALID, NULL, NULL, "no words"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct nsh_value words[4];
        char command[SSH_COMMAND_MAX] = "", look[SSH_COMMAND_MAX] = "";
        struct nsh_error err = {0};
        bool sudo = false;
        size_t count = 0;
        for (; count < 4 && rows[i].words[count] != NULL; count++) {
            words[count] = nsh_text(rows[i].words[count]);
        }
        struct nsh_value list = nsh_list(words, count);
        int result = ssh_command_build(&list, command, &err);
        if (result != rows[i].result || (result == 0 && strcmp(command, rows[i].command) != 0)) {
            fail_msg("%s: %d %s", rows[i].why, result, command);
        }
        if (result == 0 &&
            (ssh_command_look(command, look, &sudo, &err) < 0 || strcmp(look, rows[i].look) != 0 ||
             sudo != (strncmp(look, "sudo", 4) == 0))) {
            fail_msg("%s: is looked at by %s", rows[i].why, look);
        }
    }
}

static void test_commands_bounds(void **state)
{
    static char word[SSH_COMMAND_MAX];
    char command[SSH_COMMAND_MAX], look[SSH_COMMAND_MAX];
    struct nsh_error err = {0};
    bool sudo = false;
    memset(word, 'a', sizeof word - 1);
    struct nsh_value value = nsh_text(word);
    struct nsh_value list = nsh_list(&value, 1);
    assert_int_equal(ssh_command_build(&list, command, &err), 0);
    assert_int_equal(ssh_command_look(command, look, &sudo, &err), -NSH_LIMIT);
    struct nsh_value two[] = {value, nsh_text("b")};
    list = nsh_list(two, 2);
    assert_int_equal(ssh_command_build(&list, command, &err), -NSH_LIMIT);
}

static void test_boot_ids(void **state)
{
    static const struct {
        const char *output, *boot_id, *why;
    } rows[] = {
        {"6f3c1f5e-0000-4000-8000-000000000001\n", "6f3c1f5e-0000-4000-8000-000000000001", "Linux"},
        {" \t1700000000\r\n", "1700000000", "a time"},
        {"", NULL, "nothing"},
        {"abc\n", NULL, "too short to tell boots apart"},
        {"two words\n", NULL, "a sentence"},
        {"abcd\nbcde\n", NULL, "two lines"},
        {"ab;cd", NULL, "no word"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL, "too long"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char boot_id[SSH_BOOT_ID_MAX] = "";
        bool is = ssh_boot_id_read(rows[i].output, boot_id);
        if (is != (rows[i].boot_id != NULL) || (is && strcmp(boot_id, rows[i].boot_id) != 0)) {
            fail_msg("%s: %d %s", rows[i].why, is, boot_id);
        }
    }
}

static void test_words(void **state)
{
    char text[16] = "h: ", output[] = "a\n\x1b[31m\tb\xff";
    ssh_words_add(text, sizeof text, "a\x1b]0;x\a\n \n", 10);
    assert_string_equal(text, "h: a?]0;x?");
    ssh_words_add(text, sizeof text, "0123456789", 10);
    assert_string_equal(text, "h: a?]0;x?01234");
    ssh_output_clean(output, strlen(output));
    assert_string_equal(output, "a\n?[31m\tb?");
}

/* What a session forgets is freed with it (the sanitizer sees what is not); it has a bound. */
static void test_memory(void **state)
{
    struct ssh_memory memory = {0};
    char *a = ssh_memory_take(&memory, 10), *b = ssh_memory_take(&memory, 0);
    char *c = ssh_memory_resize(&memory, NULL, 5);
    assert_true(a != NULL && b != NULL && c != NULL && (uintptr_t)a % 16 == 0);
    memcpy(a, "123456789", 10);
    a = ssh_memory_resize(&memory, a, 1000);
    assert_string_equal(a, "123456789");
    a = ssh_memory_resize(&memory, a, 4);
    assert_memory_equal(a, "1234", 4);
    ssh_memory_give(&memory, b);
    ssh_memory_give(&memory, NULL);
    assert_int_equal(memory.bytes, 9);
    assert_false(memory.full);
    assert_null(ssh_memory_take(&memory, SSH_MEMORY_BYTES_MAX - 8));
    assert_null(ssh_memory_resize(&memory, c, SIZE_MAX));
    assert_true(memory.full);
    assert_non_null(ssh_memory_take(&memory, SSH_MEMORY_BYTES_MAX - 9));
    ssh_memory_clear(&memory);
    assert_true(memory.bytes == 0 && memory.first == NULL && !memory.full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_hosts), cmocka_unit_test(test_known_hosts_bounds),
        cmocka_unit_test(test_fingerprint), cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_commands),    cmocka_unit_test(test_commands_bounds),
        cmocka_unit_test(test_boot_ids),    cmocka_unit_test(test_words),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

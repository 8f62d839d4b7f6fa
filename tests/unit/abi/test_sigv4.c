/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures: requests of AWS's published test suite and of its documentation, and others whose
 * signatures were computed by botocore 1.29.
 */

#include "../unit.h"

#include "abi/sigv4.h"

#include <string.h>

#define FORM "Content-Type: application/x-www-form-urlencoded; charset=utf-8"

static const struct sigv4_credentials example = {"AKIDEXAMPLE",
                                                 "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", NULL};
static const struct sigv4_credentials role = {
    "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "FQoGZXIvYXdzEXAMPLE+/="};

static struct sigv4_request request_of(const char *method, const char *path, const char *query)
{
    return (struct sigv4_request){.method = method,
                                  .host = "example.amazonaws.com",
                                  .path = path,
                                  .query = query,
                                  .region = "us-east-1",
                                  .service = "service",
                                  .unix_ms = INT64_C(1440938160000)};
}

static const char *signature_of(const struct sigv4_credentials *credentials,
                                const struct sigv4_request *request)
{
    static struct sigv4_lines lines;
    static struct nsh_error err;
    if (sigv4_sign(credentials, request, &lines, &err) < 0) {
        return err.text;
    }
    return strstr(lines.authorization, "SignedHeaders=") + strlen("SignedHeaders=");
}

static void published_vectors(void **state)
{
    static const struct {
        const char *method, *path, *query, *wanted, *why;
    } rows[] = {
        {"GET", "/", NULL,
         "host;x-amz-date, "
         "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
         "get-vanilla"},
        {"GET", "", "",
         "host;x-amz-date, "
         "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
         "no path is the root"},
        {"POST", "/", NULL,
         "host;x-amz-date, "
         "Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
         "post-vanilla"},
        {"GET", "/", "Param2=value2&Param1=value1",
         "host;x-amz-date, "
         "Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
         "get-vanilla-query-order-key-case: sorted by name"},
        {"GET", "/", "Param1=value2&Param1=value1",
         "host;x-amz-date, "
         "Signature=5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694",
         "get-vanilla-query-order-value: then by value"},
        {"GET", "/", "a-b=1&a=2&ab=3&c",
         "host;x-amz-date, "
         "Signature=848bbbd8e52275c67e0cce985aa28eb9cbbd0c50681a1d35aad2b9da8d476ecb",
         "a before a-b though '-' stands before '='; a parameter without value"},
        {"GET", "/%E1%88%B4", NULL,
         "host;x-amz-date, "
         "Signature=697b34846207a3f72246f99d74ae1ee4fe54f44bb06730c58a0d339eb079596d",
         "what is encoded in the path is encoded again"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sigv4_request request = request_of(rows[i].method, rows[i].path, rows[i].query);
        print_message("%s\n", rows[i].why);
        assert_string_equal(signature_of(&example, &request), rows[i].wanted);
    }
}

static void requests_of_services(void **state)
{
    static const char body[] = "Action=DescribeInstances&Version=2016-11-15";
    (void)state;
    struct sigv4_request iam = request_of("GET", "/", "Action=ListUsers&Version=2010-05-08");
    iam.host = "iam.amazonaws.com";
    iam.service = "iam";
    iam.headers = (const char *const[]){FORM, NULL};
    assert_string_equal(
        signature_of(&example, &iam),
        "content-type;host;x-amz-date, "
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");

    struct sigv4_request ec2 = request_of("POST", "/", NULL);
    ec2.host = "ec2.eu-central-1.amazonaws.com:4443";
    ec2.region = "eu-central-1";
    ec2.service = "ec2";
    ec2.headers = (const char *const[]){FORM, NULL};
    ec2.body = body;
    ec2.body_bytes = strlen(body);
    assert_string_equal(
        signature_of(&role, &ec2),
        "content-type;host;x-amz-date;x-amz-security-token, "
        "Signature=122e0c570fa555e9ad3e5fd37b2dc88112ac5212136b4d21e0475fe01cfbb04b");

    struct sigv4_request lambda = request_of(
        "POST",
        "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A1%3Afunction%3Aheal/invocations",
        "Qualifier=%24LATEST");
    lambda.host = "lambda.us-east-1.amazonaws.com";
    lambda.service = "lambda";
    lambda.headers = (const char *const[]){"X-Amz-Invocation-Type: RequestResponse",
                                           "X-Amz-Client-Context:  a  b ", NULL};
    lambda.body = "{\"a\":1}";
    lambda.body_bytes = 7;
    assert_string_equal(
        signature_of(&example, &lambda),
        "host;x-amz-client-context;x-amz-date;x-amz-invocation-type, "
        "Signature=7492b253cf776c965e6725ef5c0449791e23cf6cbd3aba186b278135de22e855");
}

static void lines_to_send(void **state)
{
    struct sigv4_lines lines;
    struct sigv4_request request = request_of("GET", "/", NULL);
    (void)state;
    assert_int_equal(sigv4_sign(&role, &request, &lines, NULL), 0);
    assert_string_equal(lines.date, "X-Amz-Date: 20150830T123600Z");
    assert_string_equal(lines.token, "X-Amz-Security-Token: FQoGZXIvYXdzEXAMPLE+/=");
    assert_ptr_equal(strstr(lines.authorization,
                            "Authorization: AWS4-HMAC-SHA256 "
                            "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "),
                     lines.authorization);
    assert_null(strstr(lines.authorization, example.secret));
    assert_int_equal(sigv4_sign(&example, &request, &lines, NULL), 0);
    assert_string_equal(lines.token, "");
}

static void refused(void **state)
{
    static char long_query[4 * SIGV4_PARAMETERS_MAX + 8];
    for (size_t i = 0; i <= SIGV4_PARAMETERS_MAX; i++) {
        strcat(long_query, "a=1&");
    }
    static char long_header[SIGV4_HEADER_BYTES_MAX + 8] = "X-A: ";
    memset(long_header + 5, 'a', sizeof long_header - 6);
    const struct {
        const char *path, *query, *header;
        int code;
        const char *why;
    } rows[] = {
        {"/a b", NULL, NULL, NSH_INVALID, "a space in the path"},
        {"a", NULL, NULL, NSH_INVALID, "no absolute path"},
        {"/a//b", NULL, NULL, NSH_INVALID, "AWS would fold it"},
        {"/a/../b", NULL, NULL, NSH_INVALID, "AWS would resolve it"},
        {"/%2g", NULL, NULL, NSH_INVALID, "no encoding"},
        {"/%e1", NULL, NULL, NSH_INVALID, "AWS signs upper case"},
        {"/%4", NULL, NULL, NSH_INVALID, "an encoding that is cut"},
        {"/", "a=b+c", NULL, NSH_INVALID, "'+' is a space to some, a plus to others"},
        {"/", "a=b/c", NULL, NSH_INVALID, "AWS signs it encoded"},
        {"/", long_query, NULL, NSH_LIMIT, "too many parameters"},
        {"/", NULL, "no header", NSH_INVALID, "no colon"},
        {"/", NULL, "X-A: a\nb", NSH_INVALID, "a second line"},
        {"/", NULL, "Host: other", NSH_INVALID, "a header twice"},
        {"/", NULL, long_header, NSH_INVALID, "a header that is too long"},
    };
    struct sigv4_lines lines;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct nsh_error err = {0};
        struct sigv4_request request = request_of("GET", rows[i].path, rows[i].query);
        request.headers = (const char *const[]){rows[i].header, NULL};
        print_message("%s\n", rows[i].why);
        assert_int_equal(sigv4_sign(&example, &request, &lines, &err), -rows[i].code);
        assert_int_equal(err.code, rows[i].code);
    }
    struct sigv4_request request = request_of("GET", "/", NULL);
    struct sigv4_credentials without = {"AKIDEXAMPLE", "", NULL};
    struct nsh_error err = {0};
    assert_int_equal(sigv4_sign(&without, &request, &lines, &err), -NSH_INVALID);
    struct sigv4_credentials folded = {"AKID", "very-secret\n", NULL};
    assert_int_equal(sigv4_sign(&folded, &request, &lines, &err), -NSH_INVALID);
    assert_null(strstr(err.text, "very-secret"));
    request.unix_ms = -1;
    assert_int_equal(sigv4_sign(&example, &request, &lines, &err), -NSH_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors),
        cmocka_unit_test(requests_of_services),
        cmocka_unit_test(lines_to_send),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

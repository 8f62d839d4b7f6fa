/* SPDX-License-Identifier: Apache-2.0 */
/* The words of IPMI: status and completion codes, GUIDs, system event records. Pure tables and
 * look-ups. */

#include "ipmi_codec.h"

#include <string.h>

struct word {
    uint8_t value;
    uint8_t code; /* enum nsh_code */
    const char *text;
};

static const struct word status_words[] = {
    {IPMI_STATUS_OK, NSH_OK, "accepted"},
    {IPMI_STATUS_NO_RESOURCES, NSH_BUSY, "the BMC has no free session"},
    {IPMI_STATUS_NO_SESSION, NSH_STALE, "the BMC does not know the session"},
    {0x03, NSH_PROTOCOL, "invalid payload type"},
    {0x04, NSH_UNSUPPORTED, "cipher suite refused: invalid authentication algorithm"},
    {0x05, NSH_UNSUPPORTED, "cipher suite refused: invalid integrity algorithm"},
    {0x06, NSH_UNSUPPORTED, "cipher suite refused: no matching authentication payload"},
    {0x07, NSH_UNSUPPORTED, "cipher suite refused: no matching integrity payload"},
    {IPMI_STATUS_INACTIVE_SESSION, NSH_STALE, "the session is not active"},
    {IPMI_STATUS_INVALID_ROLE, NSH_DENIED, "invalid role"},
    {IPMI_STATUS_ROLE_DENIED, NSH_DENIED, "the user may not have this privilege level"},
    {0x0B, NSH_BUSY, "the BMC has no free session at this role"},
    {IPMI_STATUS_NAME_LENGTH, NSH_AUTH, "user: invalid name length"},
    {IPMI_STATUS_NAME_UNKNOWN, NSH_AUTH, "user: the BMC does not know the name"},
    {0x0E, NSH_AUTH, "unauthorized GUID"},
    {IPMI_STATUS_INTEGRITY, NSH_AUTH, "wrong password: the BMC refused our proof"},
    {IPMI_STATUS_NO_CONFIDENTIALITY, NSH_UNSUPPORTED,
     "cipher suite refused: no such confidentiality algorithm"},
    {IPMI_STATUS_NO_SUITE, NSH_UNSUPPORTED, "cipher suite refused"},
    {IPMI_STATUS_PARAMETER, NSH_PROTOCOL, "illegal parameter"},
};

static const struct word completion_words[] = {
    {IPMI_CC_OK, NSH_OK, "completed"},
    {IPMI_CC_BUSY, NSH_BUSY, "node busy"},
    {IPMI_CC_INVALID_COMMAND, NSH_UNSUPPORTED, "invalid command"},
    {0xC2, NSH_UNSUPPORTED, "command invalid for this LUN"},
    {0xC3, NSH_BUSY, "timeout inside the BMC"},
    {IPMI_CC_OUT_OF_SPACE, NSH_BUSY, "out of space"},
    {0xC5, NSH_BUSY, "reservation cancelled"},
    {0xC6, NSH_PROTOCOL, "request data truncated"},
    {IPMI_CC_LENGTH, NSH_PROTOCOL, "request data length invalid"},
    {0xC8, NSH_PROTOCOL, "request data too long"},
    {IPMI_CC_RANGE, NSH_UNSUPPORTED, "parameter out of range"},
    {IPMI_CC_NOT_PRESENT, NSH_NOT_FOUND, "not present"},
    {IPMI_CC_INVALID_DATA, NSH_UNSUPPORTED, "invalid data field"},
    {0xCE, NSH_BUSY, "response could not be provided"},
    {IPMI_CC_SDR_UPDATE, NSH_BUSY, "sensor records are being updated"},
    {IPMI_CC_FIRMWARE_UPDATE, NSH_BUSY, "the BMC's firmware is being updated"},
    {IPMI_CC_INITIALISING, NSH_BUSY, "the BMC is starting"},
    {0xD3, NSH_UNREACHABLE, "destination unavailable"},
    {IPMI_CC_PRIVILEGE, NSH_DENIED, "insufficient privilege level"},
    {IPMI_CC_STATE, NSH_CONFLICT, "not supported in the present state"},
    {IPMI_CC_UNSPECIFIED, NSH_REFUSED, "unspecified error"},
};

static const struct word *word_find(const struct word *words, size_t words_count, uint8_t value)
{
    static const struct word other = {0, NSH_REFUSED, "an error without a name"};

    for (size_t i = 0; i < words_count; i++) {
        if (words[i].value == value) {
            return &words[i];
        }
    }
    return &other;
}

#define WORD_FIND(words, value) word_find((words), sizeof(words) / sizeof(words)[0], (value))

enum nsh_code ipmi_status_code(uint8_t status)
{
    return (enum nsh_code)WORD_FIND(status_words, status)->code;
}

const char *ipmi_status_text(uint8_t status)
{
    return WORD_FIND(status_words, status)->text;
}

enum nsh_code ipmi_completion_code(uint8_t completion)
{
    return (enum nsh_code)WORD_FIND(completion_words, completion)->code;
}

const char *ipmi_completion_text(uint8_t completion)
{
    return WORD_FIND(completion_words, completion)->text;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool ipmi_guid_parse(const char *text, uint8_t ret_guid[IPMI_GUID_BYTES])
{
    uint8_t guid[IPMI_GUID_BYTES];
    size_t count = 0;

    while (*text != '\0') {
        if (*text == '-') {
            text++;
            continue;
        }
        int high = hex_digit(text[0]);
        int low = high < 0 ? -1 : hex_digit(text[1]);
        if (low < 0 || count == IPMI_GUID_BYTES) {
            return false;
        }
        guid[count++] = (uint8_t)(high << 4 | low);
        text += 2;
    }
    if (count != IPMI_GUID_BYTES) {
        return false;
    }
    memcpy(ret_guid, guid, sizeof guid);
    return true;
}

bool ipmi_guid_is(const uint8_t guid[IPMI_GUID_BYTES], const uint8_t uuid[IPMI_GUID_BYTES])
{
    static const uint8_t smbios[IPMI_GUID_BYTES] = {3, 2, 1,  0,  5,  4,  7,  6,
                                                    8, 9, 10, 11, 12, 13, 14, 15};
    bool same = true, swapped = true, reversed = true;

    for (size_t i = 0; i < IPMI_GUID_BYTES; i++) {
        same = same && guid[i] == uuid[i];
        swapped = swapped && guid[i] == uuid[smbios[i]];
        reversed = reversed && guid[i] == uuid[IPMI_GUID_BYTES - 1 - i];
    }
    return same || swapped || reversed;
}

/* ---- system event records --------------------------------------------------------------- */

static uint32_t record_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

bool ipmi_record_parse(const uint8_t bytes[16], struct ipmi_record *ret_record)
{
    *ret_record = (struct ipmi_record){
        .id = (uint16_t)(bytes[0] | bytes[1] << 8),
        .type = bytes[2],
        .time_s = record_u32(bytes + 3),
        .sensor_type = bytes[10],
        .sensor_number = bytes[11],
        .event_type = bytes[12] & 0x7f,
        .asserted = (bytes[12] & 0x80) == 0,
        .data = {bytes[13], bytes[14], bytes[15]},
    };
    return bytes[2] == 0x02;
}

const char *ipmi_record_sensor(uint8_t sensor_type)
{
    static const struct word sensors[] = {
        {0x01, 0, "temperature"}, {0x02, 0, "voltage"},          {0x04, 0, "fan"},
        {0x05, 0, "intrusion"},   {0x07, 0, "processor"},        {0x08, 0, "power supply"},
        {0x09, 0, "power unit"},  {0x0C, 0, "memory"},           {0x0D, 0, "drive"},
        {0x0F, 0, "firmware"},    {0x12, 0, "system event"},     {0x13, 0, "interrupt"},
        {0x1D, 0, "boot"},        {0x20, 0, "operating system"}, {0x23, 0, "watchdog"},
        {0x28, 0, "management"},
    };
    const struct word *word = WORD_FIND(sensors, sensor_type);

    return word->value == 0 ? "sensor" : word->text;
}

const char *ipmi_record_event(const struct ipmi_record *record)
{
    static const struct {
        uint8_t sensor_type, offset;
        const char *text;
    } events[] = {
        {0x07, 0, "IERR"},
        {0x07, 1, "thermal trip"},
        {0x08, 0, "present"},
        {0x08, 1, "failure"},
        {0x08, 3, "input lost"},
        {0x09, 0, "power off"},
        {0x09, 4, "AC lost"},
        {0x0C, 0, "correctable ECC"},
        {0x0C, 1, "uncorrectable ECC"},
        {0x0C, 5, "correctable ECC limit"},
        {0x0D, 1, "drive fault"},
        {0x20, 1, "run-time stop"},
        {0x23, 0, "timer expired"},
        {0x23, 1, "hard reset"},
        {0x23, 2, "power down"},
        {0x23, 3, "power cycle"},
    };

    if (record->event_type == 0x01) {
        return "threshold";
    }
    for (size_t i = 0; record->event_type == 0x6f && i < sizeof events / sizeof events[0]; i++) {
        if (events[i].sensor_type == record->sensor_type &&
            events[i].offset == (record->data[0] & 0x0f)) {
            return events[i].text;
        }
    }
    return "event";
}

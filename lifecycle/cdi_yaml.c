/* cdi_yaml.c - a small YAML document as a tree of cJSON. */
#include "lifecycle/cdi_yaml.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    unsigned depth;
    unsigned depth_max;
    struct err *err;
};

static cJSON *refuse(const struct reader *reader, const yaml_event_t *event,
                     enum err_code code, const char *what)
{
    err_set(reader->err, code, "line %zu: %s", event->start_mark.line + 1,
            what);
    return NULL;
}

static bool next(struct reader *reader, yaml_event_t *ret_event)
{
    const yaml_parser_t *parser = &reader->parser;

    if (yaml_parser_parse(&reader->parser, ret_event))
        return true;
    return err_set(reader->err, ERR_INVALID, "line %zu: %s",
                   parser->problem_mark.line + 1,
                   parser->problem ? parser->problem : "no YAML");
}

static cJSON *checked(cJSON *json)
{
    if (!json)
        abort(); /* out of memory */
    return json;
}

static bool has_nul(const yaml_event_t *event)
{
    return memchr(event->data.scalar.value, '\0', event->data.scalar.length);
}

static cJSON *read_node(struct reader *reader, const yaml_event_t *event);

static bool read_item(struct reader *reader, cJSON *array,
                      const yaml_event_t *event)
{
    cJSON *item = read_node(reader, event);

    return item && cJSON_AddItemToArray(array, item);
}

/* event: the key. */
static bool read_member(struct reader *reader, cJSON *object,
                        const yaml_event_t *event)
{
    const char *key = (const char *)event->data.scalar.value;
    yaml_event_t value;
    cJSON *item;

    if (event->type != YAML_SCALAR_EVENT || has_nul(event))
        return refuse(reader, event, ERR_INVALID, "a key must be a word");
    if (!next(reader, &value))
        return false;
    item = read_node(reader, &value);
    yaml_event_delete(&value);
    return item && cJSON_AddItemToObject(object, key, item);
}

/* Up to the end of the array or object that has just begun. */
static cJSON *read_all(struct reader *reader, cJSON *json,
                       yaml_event_type_t end,
                       bool (*read_one)(struct reader *reader, cJSON *json,
                                        const yaml_event_t *event))
{
    yaml_event_t event;
    bool ok = true;
    bool at_end = false;

    reader->depth++;
    while (ok && !at_end) {
        ok = next(reader, &event);
        if (!ok)
            break;
        at_end = event.type == end;
        if (!at_end)
            ok = read_one(reader, json, &event);
        yaml_event_delete(&event);
    }
    reader->depth--;
    if (ok)
        return json;
    cJSON_Delete(json);
    return NULL;
}

static cJSON *read_node(struct reader *reader, const yaml_event_t *event)
{
    bool nests = event->type == YAML_SEQUENCE_START_EVENT ||
                 event->type == YAML_MAPPING_START_EVENT;

    if (nests && reader->depth == reader->depth_max)
        return refuse(reader, event, ERR_LIMIT, "nested too deep");
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        if (has_nul(event))
            return refuse(reader, event, ERR_INVALID, "a NUL in a text");
        return checked(
            cJSON_CreateString((const char *)event->data.scalar.value));
    case YAML_SEQUENCE_START_EVENT:
        return read_all(reader, checked(cJSON_CreateArray()),
                        YAML_SEQUENCE_END_EVENT, read_item);
    case YAML_MAPPING_START_EVENT:
        return read_all(reader, checked(cJSON_CreateObject()),
                        YAML_MAPPING_END_EVENT, read_member);
    case YAML_ALIAS_EVENT:
        return refuse(reader, event, ERR_INVALID,
                      "an alias (*name), which is not taken here");
    default:
        return refuse(reader, event, ERR_INVALID, "nothing stands here");
    }
}

/* The next event must be of this type. */
static bool skip(struct reader *reader, yaml_event_type_t type,
                 const char *otherwise)
{
    yaml_event_t event;
    bool ok;

    if (!next(reader, &event))
        return false;
    ok = event.type == type;
    if (!ok)
        refuse(reader, &event, ERR_INVALID, otherwise);
    yaml_event_delete(&event);
    return ok;
}

static cJSON *read_document(struct reader *reader)
{
    yaml_event_t event;
    cJSON *json;

    if (!skip(reader, YAML_STREAM_START_EVENT, "no YAML") ||
        !skip(reader, YAML_DOCUMENT_START_EVENT, "the file is empty") ||
        !next(reader, &event))
        return NULL;
    json = read_node(reader, &event);
    yaml_event_delete(&event);
    if (json && skip(reader, YAML_DOCUMENT_END_EVENT, "more than one node") &&
        skip(reader, YAML_STREAM_END_EVENT, "more than one document"))
        return json;
    cJSON_Delete(json);
    return NULL;
}

struct cJSON *cdi_yaml_parse(struct strview text, unsigned depth_max,
                             struct err *err)
{
    struct reader reader = {.depth_max = depth_max, .err = err};
    cJSON *json;

    if (!yaml_parser_initialize(&reader.parser))
        abort(); /* out of memory */
    yaml_parser_set_input_string(&reader.parser,
                                 (const unsigned char *)text.ptr, text.len);
    json = read_document(&reader);
    yaml_parser_delete(&reader.parser);
    return json;
}

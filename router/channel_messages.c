/* channel_messages.c - the messages of channel.def: their names, and how they
 * are decoded. (They are encoded in channel.c, straight into what is sent.)
 */
#include "router/channel.h"

const char *channel_type_name(enum channel_type type)
{
    static const char *const names[] = {
        [CHANNEL_NONE] = "none",
#define CHANNEL_MESSAGE(NAME, name, fields) [CHANNEL_##NAME] = #name,
#include "router/channel.def"
#undef CHANNEL_MESSAGE
    };

    return (unsigned)type < ARRAY_LEN(names) ? names[type] : "unknown";
}

#define U32(field)   message.field = wire_get_u32(&reader);
#define U64(field)   message.field = wire_get_u64(&reader);
#define BYTES(field) message.field = wire_get_sv(&reader);
#define CHANNEL_MESSAGE(NAME, name, fields)                                    \
    bool channel_decode_##name(struct strview payload,                         \
                               struct channel_##name *ret_message)             \
    {                                                                          \
        struct wire_reader reader = wire_reader_of(payload);                   \
        struct channel_##name message;                                         \
                                                                               \
        fields if (!wire_reader_is_done(&reader)) return false;                \
        *ret_message = message;                                                \
        return true;                                                           \
    }
#include "router/channel.def"
#undef CHANNEL_MESSAGE
#undef U32
#undef U64
#undef BYTES

/* The test vectors of FIPS 180-4. */
#include "router/base/digest.h"

#include <criterion/criterion.h>

Test(digest, known_texts_have_their_known_digests)
{
    struct digest *digest = digest_new();
    char hex[DIGEST_HEX_SIZE];

    digest_finish_hex(digest, hex);
    cr_assert_str_eq(
        hex,
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    digest_free(&digest);
    cr_assert_null(digest);
    digest_free(&digest);

    digest = digest_new();
    digest_add(digest, "abc", 3);
    digest_finish_hex(digest, hex);
    cr_assert_str_eq(
        hex,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_free(&digest);
}

Test(digest, pieces_give_what_the_whole_gives)
{
    struct digest *digest = digest_new();
    unsigned char bytes[DIGEST_BYTES];

    digest_add(digest, "a", 1);
    digest_add(digest, "", 0);
    digest_add(digest, "bc", 2);
    digest_finish(digest, bytes);
    cr_assert_eq(bytes[0], 0xBA);
    cr_assert_eq(bytes[DIGEST_BYTES - 1], 0xAD);
    digest_free(&digest);
}

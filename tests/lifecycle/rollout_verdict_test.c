/* Whether a revision is as good as the one before. */
#include "lifecycle/rollout_verdict.h"

#include <criterion/criterion.h>

#define SOON  100000U
#define LATER 3000000U
#define LAST  30000000U

Test(rollout_verdict, failures_beyond_chance_are_worse_at_any_time)
{
    static const struct {
        const char *label;
        struct rollout_outcomes before;
        struct rollout_outcomes now;
        uint64_t stood_us;
        enum rollout_verdict want;
    } cases[] = {
        {"nothing yet", {0}, {0}, SOON, VERDICT_OPEN},
        {"nothing ever", {0}, {0}, LATER, VERDICT_PROVEN},
        {"two of two", {100, 0, 0}, {2, 2, 2}, SOON, VERDICT_OPEN},
        {"three of three", {100, 0, 0}, {3, 3, 3}, SOON, VERDICT_WORSE},
        {"three of ten", {100, 0, 0}, {10, 3, 3}, SOON, VERDICT_OPEN},
        {"four of ten", {100, 0, 0}, {10, 4, 0}, SOON, VERDICT_WORSE},
        {"as the old one", {1000, 100, 0}, {100, 12, 0}, LATER, VERDICT_PROVEN},
        {"twice the old one",
         {1000, 100, 0},
         {200, 40, 0},
         SOON,
         VERDICT_WORSE},
        {"both fail", {100, 100, 0}, {3, 3, 0}, LATER, VERDICT_PROVEN},
        {"the one request there was",
         {9, 0, 0},
         {1, 1, 1},
         LATER,
         VERDICT_OPEN},
        {"and no other came", {9, 0, 0}, {1, 1, 1}, LAST, VERDICT_WORSE},
        {"and one was good", {9, 0, 0}, {2, 1, 1}, LATER, VERDICT_PROVEN},
        {"more failures than answers",
         {2, 9, 0},
         {2, 3, 0},
         SOON,
         VERDICT_OPEN},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(
            rollout_verdict(&cases[i].before, &cases[i].now, cases[i].stood_us),
            cases[i].want, "%s", cases[i].label);
}

Test(rollout_verdict, it_is_due_when_it_can_change_by_itself)
{
    const struct rollout_outcomes good = {5, 1, 0};
    const struct rollout_outcomes bad = {1, 1, 0};

    cr_expect_eq(rollout_verdict_due_us(&good), LATER);
    cr_expect_eq(rollout_verdict_due_us(&bad), LAST);
}

Test(rollout_verdict, it_says_what_clients_have_seen_of_it)
{
    const struct rollout_outcomes before = {200, 1, 0};
    const struct rollout_outcomes now = {5, 4, 3};
    char text[256];

    rollout_verdict_say(&before, &now, text, sizeof text);
    cr_expect_str_eq(text,
                     "4 of its 5 requests failed (3 were answered by the "
                     "revision before it instead); of the revision before "
                     "it 0.5 %");
}

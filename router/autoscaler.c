/* autoscaler.c - how many replicas an app should have.
 *
 * Offered load and backlog are two things: load is what goes on, and is kept
 * ready for; a backlog is served once, by replicas that then go again. Where
 * the formulas differ from scaling.md, autoscale_sim showed why (tests/bench):
 * see at each.
 */
#include "router/autoscaler.h"

#include <math.h>
#include <string.h>

/* What stands for the slots of an app without a limit. */
#define UNLIMITED_SLOTS 100
/* Of fewer, one steady request would get a second replica by the headroom. */
#define HEADROOM_MIN_SLOTS 4
/* Square-root staffing (Halfin and Whitt 1981); no more than a share of the
 * load, which for small loads is less, and still keeps 30 % free. */
#define HEADROOM       2.0
#define HEADROOM_SHARE 0.4
/* A sudden load that would take this much more than there is gets it with
 * headroom; less than that is noise, which slow load's headroom is there for.
 */
#define SURGE 1.5
/* In what part of a start's time a backlog is to be gone, once the replicas for
 * it are ready, and the least. Spread over a whole start's time, the last of
 * the backlog would wait for twice as long. */
#define DRAIN_SHARE (1.0 / 8)
#define DRAIN_MIN_S 0.25
/* While nothing is ready, the backlog grows until the first start has ended.
 * Of what would come by then at the present rate, this part is counted in
 * advance: all of it would be asked for at once, and be ready together, but a
 * burst may end at any time. */
#define COMING_SHARE 0.5
/* A replica that was started for a backlog stays for as long as its start took,
 * and this long at least: the next burst is likely, the load does not need it.
 */
#define BACKLOG_KEEP_MIN_S 4

const char *autoscaler_reason_text(enum autoscaler_reason reason)
{
    static const char *const texts[] = {
        [AUTOSCALER_NO_DEMAND] = "no demand",
        [AUTOSCALER_DEMAND] = "demand",
        [AUTOSCALER_STARTING] = "a start is under way",
        [AUTOSCALER_RECENT] = "idle for less than idle_timeout",
        [AUTOSCALER_KEPT] = "asked to be kept",
        [AUTOSCALER_MIN] = "the least that is configured",
        [AUTOSCALER_LOAD] = "load",
        [AUTOSCALER_BACKLOG] = "requests that wait",
        [AUTOSCALER_HELD] = "needed less than scale_down_delay ago",
    };

    return texts[reason];
}

static double clamp(double value, double low, double high)
{
    return value < low ? low : value > high ? high : value;
}

static uint32_t ceil_count(double value)
{
    double up = ceil(value - 1e-9);

    return up <= 0 ? 0 : up >= UINT32_MAX ? UINT32_MAX : (uint32_t)up;
}

static uint32_t max_count(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* --- what is needed now --- */

struct load {
    double slots;     /* a replica's */
    double service_s; /* 0: not known */
    double start_s;   /* 0: not known */
    double fast;      /* offered load in slots, lately */
    double slow;      /* over the last minute */
};

/* Rates tell what a saturated app is offered, where the slots taken cannot.
 * Without a queue the slots taken are exact, and the larger of two estimates
 * would be too large by the noise of both (10 % at 25 slots). */
static struct load load_of(const struct autoscaler_input *in)
{
    const struct demand_view *view = &in->demand.load;
    struct load load = {.slots = in->limits.concurrency};

    if (in->limits.concurrency == 0)
        load.slots = UNLIMITED_SLOTS;
    if (view->service_is_known)
        load.service_s = view->service_us / 1e6;
    load.start_s = (double)in->replicas.start_us / 1e6;
    load.fast = view->mean_fast;
    load.slow = view->mean_slow;
    if (in->demand.queued > 0) {
        load.fast = fmax(load.fast, view->rate_fast * load.service_s);
        load.slow = fmax(load.slow, view->rate_slow * load.service_s);
    }
    return load;
}

/* Replicas for an offered load of `rho` slots. */
static uint32_t need(const struct autoscaler_limits *limits, double slots,
                     double rho)
{
    double free = slots >= HEADROOM_MIN_SLOTS ? rho : fmax(rho - 1, 0);
    double headroom = fmin(HEADROOM * sqrt(rho), HEADROOM_SHARE * free);

    if (limits->target_utilization_percent > 0)
        return ceil_count(rho * 100 /
                          (limits->target_utilization_percent * slots));
    return ceil_count((rho + headroom) / slots);
}

static uint32_t count_of(const struct autoscaler_input *in)
{
    return in->replicas.ready + in->replicas.starting;
}

/* Headroom covers what a load varies by: fast load has that in it, so it gets
 * headroom only where it is a surge. */
static uint32_t need_for_load(const struct autoscaler_input *in,
                              const struct load *load)
{
    uint32_t slow = need(&in->limits, load->slots, load->slow);
    uint32_t fast = need(&in->limits, load->slots, load->fast);

    if (fast >= SURGE * max_count(count_of(in), 1))
        return max_count(slow, fast);
    return max_count(slow, ceil_count(load->fast / load->slots));
}

/* Requests that will have come, and wait too, when the first start ends. */
static double coming(const struct autoscaler_input *in, const struct load *load)
{
    uint64_t age_us =
        in->demand.oldest_us > 0 && in->now_us > in->demand.oldest_us
            ? in->now_us - in->demand.oldest_us
            : 0;
    double left_s = load->start_s - (double)age_us / 1e6;

    if (in->replicas.ready > 0 || left_s <= 0)
        return 0;
    return COMING_SHARE * load->fast / load->service_s * left_s;
}

/* Before the first answer nobody knows how long one takes: a slot for each, or
 * a slow service has those left over wait for another start. What turns out to
 * be too many is called off at the first answer. */
static uint32_t need_for_queue(const struct autoscaler_input *in,
                               const struct load *load)
{
    double drain_s = fmax(DRAIN_MIN_S, load->start_s * DRAIN_SHARE);
    double capacity = load->slots * count_of(in);
    double waiting = in->demand.queued;
    double work;

    if (in->demand.queued == 0 || in->replicas.is_backing_off)
        return 0;
    if (load->service_s <= 0)
        return ceil_count((waiting + in->demand.in_flight) / load->slots);
    waiting += coming(in, load);
    work = waiting * load->service_s;
    if (work <= drain_s * capacity && load->fast <= capacity)
        return 0; /* it drains before a new one is ready */
    return ceil_count(
        fmin(load->fast + work / drain_s, waiting + in->demand.in_flight) /
        load->slots);
}

/* --- letting go --- */

static void note(struct autoscaler_levels *past, uint32_t count,
                 uint64_t now_us)
{
    unsigned n = past->count;

    if (count == 0)
        return;
    while (n > 0 && past->levels[n - 1].count <= count)
        n--;
    if (n == AUTOSCALER_LEVELS) /* the lowest two become one, the later */
        n--;
    else
        past->levels[n].count = count;
    past->levels[n].at_us = now_us;
    past->count = n + 1;
}

/* The most that was noted over the last delay_us. */
static uint32_t most_of(struct autoscaler_levels *past, uint64_t now_us,
                        uint64_t delay_us)
{
    unsigned old = 0;

    while (old < past->count && past->levels[old].at_us + delay_us <= now_us)
        old++;
    past->count -= old;
    memmove(&past->levels[0], &past->levels[old],
            past->count * sizeof past->levels[0]);
    return past->count > 0 ? past->levels[0].count : 0;
}

void autoscaler_hold(struct autoscaler_history *history, uint32_t count,
                     uint64_t now_us)
{
    note(&history->load, count, now_us);
}

static double delay_s(const struct autoscaler_input *in, double start_s)
{
    if (in->limits.has_scale_down_delay)
        return (double)in->limits.scale_down_delay_ms / 1e3;
    return clamp(4 * start_s, 4, 60);
}

/* What was needed lately. A start is not called off when the backlog that it
 * was made for is gone before it is ready: bursts come again, and starts begun
 * and called off by turns are dozens of times as many (FINDINGS.md of
 * autoscale_sim). Those of a guess, before the first answer, are none of
 * these. */
static uint32_t kept(const struct autoscaler_input *in, const struct load *load,
                     uint32_t for_load, uint32_t for_queue)
{
    struct autoscaler_history *history = in->history;
    double stay_s = delay_s(in, load->start_s);
    double start_s = load->start_s;
    uint64_t now_us = in->now_us;
    uint32_t load_most;
    uint32_t backlog_most;

    note(&history->load, for_load, now_us);
    if (load->service_s > 0)
        note(&history->backlog, for_queue, now_us);
    load_most = most_of(&history->load, now_us, (uint64_t)(stay_s * 1e6));
    stay_s = start_s + fmin(stay_s, fmax(start_s, BACKLOG_KEEP_MIN_S));
    backlog_most = most_of(&history->backlog, now_us, (uint64_t)(stay_s * 1e6));
    return max_count(load_most, backlog_most);
}

/* At most halved in clamp(L, 2 s, 10 s). `count`: those that start, too, since
 * what the first answers say of the service time is of the shortest ones. */
static uint32_t let_go(struct autoscaler_history *history, uint32_t target,
                       uint32_t count, uint64_t now_us, double start_s)
{
    if (target >= count)
        return target;
    if (now_us >= history->period_end_us) {
        history->period_floor = count - count / 2;
        history->period_end_us =
            now_us + (uint64_t)(clamp(start_s, 2, 10) * 1e6);
    }
    return max_count(target, history->period_floor);
}

/* --- all of it --- */

/* Nothing is under way. Of an app that has a replica, the last one stays until
 * idle_timeout; of one that has none, nothing is kept. */
static struct autoscaler_output decide_idle(const struct autoscaler_input *in)
{
    uint64_t timeout_us = in->limits.idle_timeout_ms * 1000;
    uint64_t end_us = in->demand.idle_since_us + timeout_us;

    if (in->replicas.starting > 0)
        return (struct autoscaler_output){1, AUTOSCALER_STARTING, 0};
    if (in->replicas.ready == 0)
        return (struct autoscaler_output){0, AUTOSCALER_NO_DEMAND, 0};
    if (timeout_us == 0)
        return (struct autoscaler_output){1, AUTOSCALER_RECENT, 0};
    if (in->now_us < end_us)
        return (struct autoscaler_output){1, AUTOSCALER_RECENT, end_us};
    if (in->now_us < in->demand.keep_until_us)
        return (struct autoscaler_output){1, AUTOSCALER_KEPT,
                                          in->demand.keep_until_us};
    return (struct autoscaler_output){0, AUTOSCALER_NO_DEMAND, 0};
}

static void raise_to(struct autoscaler_output *out, uint32_t count,
                     enum autoscaler_reason reason)
{
    if (count <= out->wanted)
        return;
    out->wanted = count;
    out->reason = reason;
    out->again_at_us = 0;
}

static uint32_t min_count(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* More than the one that decide_idle() or the demand as such asks for. */
static void add_load(const struct autoscaler_input *in,
                     struct autoscaler_output *out)
{
    struct load load = load_of(in);
    uint32_t for_load = need_for_load(in, &load);
    uint32_t for_queue = min_count(need_for_queue(in, &load), in->limits.max);
    uint32_t down;

    for_load = min_count(max_count(out->wanted, for_load), in->limits.max);
    raise_to(out, for_load, AUTOSCALER_LOAD);
    raise_to(out, for_queue, AUTOSCALER_BACKLOG);
    if (!in->history)
        return;
    down = max_count(out->wanted, kept(in, &load, for_load, for_queue));
    down = let_go(in->history, down, count_of(in), in->now_us, load.start_s);
    /* What is held keeps what there is: it starts none. */
    raise_to(out, min_count(down, count_of(in)), AUTOSCALER_HELD);
}

struct autoscaler_output autoscaler_decide(const struct autoscaler_input *in)
{
    const struct autoscaler_demand *demand = &in->demand;
    struct autoscaler_output out = {1, AUTOSCALER_DEMAND, 0};

    if (demand->queued == 0 && demand->in_flight == 0 && demand->tunnels == 0 &&
        demand->unserved == 0)
        out = decide_idle(in);
    if (out.wanted > 0)
        add_load(in, &out);
    raise_to(&out, in->limits.min, AUTOSCALER_MIN);
    if (out.wanted > in->limits.max)
        out.wanted = in->limits.max;
    return out;
}

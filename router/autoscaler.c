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
/* In what part of a start's time a backlog is to be gone once the replicas for
 * it are ready, and the least; a backlog needs them anyway for so short a time
 * that few cost as much as many. */
#define DRAIN_SHARE (1.0 / 16)
#define DRAIN_MIN_S 0.1
/* As if it had to be gone in this, where it is about what to keep. */
#define KEEP_DRAIN_SHARE (1.0 / 4)
#define KEEP_DRAIN_MIN_S 0.25

const char *autoscaler_reason_text(enum autoscaler_reason reason)
{
    static const char *const texts[] = {
        [AUTOSCALER_NO_DEMAND] = "no demand",
        [AUTOSCALER_DEMAND] = "demand",
        [AUTOSCALER_STARTING] = "a start is under way",
        [AUTOSCALER_RECENT] = "idle for less than idle_timeout",
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

/* Replicas that have the queue empty in drain_s; never more than would give
 * each request a slot. */
static uint32_t need_to_drain(const struct autoscaler_input *in,
                              const struct load *load, double drain_s)
{
    double most = (double)in->demand.queued + in->demand.in_flight;
    double work = in->demand.queued * load->service_s;

    return ceil_count(fmin(load->fast + work / drain_s, most) / load->slots);
}

/* Before the first answer nobody knows how long one takes. With fewer slots
 * than requests those that a slow service leaves waiting wait for another
 * start; with too many, the first answer calls off what is not needed. */
static uint32_t need_for_queue(const struct autoscaler_input *in,
                               const struct load *load)
{
    double drain_s = fmax(DRAIN_MIN_S, load->start_s * DRAIN_SHARE);
    double work = in->demand.queued * load->service_s;
    double capacity = load->slots * count_of(in);

    if (in->demand.queued == 0 || in->replicas.is_backing_off)
        return 0;
    if (load->service_s > 0 && work <= drain_s * capacity &&
        load->fast <= capacity)
        return 0; /* it drains before a new one is ready */
    if (load->service_s > 0)
        return need_to_drain(in, load, drain_s);
    return ceil_count(((double)in->demand.queued + in->demand.in_flight) /
                      load->slots);
}

/* How many of those that a backlog asks for are worth keeping for the next. */
static uint32_t keep_for_queue(const struct autoscaler_input *in,
                               const struct load *load)
{
    double drain_s = fmax(KEEP_DRAIN_MIN_S, load->start_s * KEEP_DRAIN_SHARE);

    if (in->demand.queued == 0 || in->replicas.is_backing_off)
        return 0;
    if (load->service_s <= 0)
        return in->demand.queued > load->slots ? 2 : 1;
    return need_to_drain(in, load, drain_s);
}

/* --- letting go --- */

void autoscaler_hold(struct autoscaler_history *history, uint32_t count,
                     uint64_t now_us)
{
    unsigned n = history->level_count;

    if (count == 0)
        return;
    while (n > 0 && history->levels[n - 1].count <= count)
        n--;
    if (n == AUTOSCALER_LEVELS) /* the lowest two become one, the later */
        n--;
    else
        history->levels[n].count = count;
    history->levels[n].at_us = now_us;
    history->level_count = n + 1;
}

/* The most that was needed over the last delay_us. */
static uint32_t held(struct autoscaler_history *history, uint64_t now_us,
                     uint64_t delay_us)
{
    unsigned old = 0;

    while (old < history->level_count &&
           history->levels[old].at_us + delay_us <= now_us)
        old++;
    history->level_count -= old;
    memmove(&history->levels[0], &history->levels[old],
            history->level_count * sizeof history->levels[0]);
    return history->level_count > 0 ? history->levels[0].count : 0;
}

static uint64_t delay_us(const struct autoscaler_input *in, double start_s)
{
    if (in->limits.has_scale_down_delay)
        return in->limits.scale_down_delay_ms * 1000;
    return (uint64_t)(clamp(4 * start_s, 4, 60) * 1e6);
}

/* At most halved in clamp(L, 2 s, 10 s). `count` is what there is now. */
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
    uint32_t keep = max_count(out->wanted, need_for_load(in, &load));
    uint32_t down;

    raise_to(out, min_count(keep, in->limits.max), AUTOSCALER_LOAD);
    raise_to(out, min_count(need_for_queue(in, &load), in->limits.max),
             AUTOSCALER_BACKLOG);
    if (!in->history)
        return;
    keep = max_count(keep, keep_for_queue(in, &load));
    autoscaler_hold(in->history, min_count(keep, in->limits.max), in->now_us);
    down = held(in->history, in->now_us, delay_us(in, load.start_s));
    down = let_go(in->history, max_count(down, out->wanted), count_of(in),
                  in->now_us, load.start_s);
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

/* sim_plot.c - demand and replicas over time, as an SVG picture. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/bench/autoscale_sim/sim_report.h"

#define WIDTH  1200
#define HEIGHT 220
#define LEFT   60
#define TOP    30
#define BOTTOM 30

struct panel {
    FILE *file;
    const struct sim_world *world;
    double top; /* y of its upper edge */
    double end_s;
    double highest; /* the same in all panels */
};

static uint32_t value_of(const struct sim_point *point, bool of_demand,
                         uint32_t concurrency)
{
    /* Demand in replicas, as if each were full. */
    return of_demand ? (point->demand + concurrency - 1) / concurrency
                     : point->replicas;
}

static void draw_line(const struct panel *panel, bool of_demand,
                      const char *colour)
{
    const struct sim_world *world = panel->world;
    double height = HEIGHT - TOP - BOTTOM;

    fprintf(panel->file,
            "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.2\" "
            "points=\"",
            colour);
    for (uint32_t i = 0; i < world->point_count; i++) {
        const struct sim_point *point = &world->points[i];
        double x =
            LEFT + (double)point->at_us / 1e6 / panel->end_s * (WIDTH - LEFT);
        double value = value_of(point, of_demand, world->setup->concurrency);

        fprintf(panel->file, "%.1f,%.1f ", x,
                panel->top + TOP + height * (1 - value / panel->highest));
    }
    fputs("\"/>\n", panel->file);
}

static void draw_panel(const struct panel *panel)
{
    double base = panel->top + HEIGHT - BOTTOM;

    fprintf(panel->file,
            "<text x=\"%d\" y=\"%.0f\" font-weight=\"bold\">%s</text>\n"
            "<text x=\"4\" y=\"%.0f\">%.0f</text>\n"
            "<text x=\"4\" y=\"%.0f\">0</text>\n"
            "<text x=\"%d\" y=\"%.0f\" text-anchor=\"end\">%.0f s</text>\n"
            "<line x1=\"%d\" x2=\"%d\" y1=\"%.0f\" y2=\"%.0f\" "
            "stroke=\"#999\"/>\n",
            LEFT, panel->top + 18, panel->world->policy->name,
            panel->top + TOP + 5, panel->highest, base, WIDTH, base + 16,
            panel->end_s, LEFT, WIDTH, base, base);
    draw_line(panel, true, "#d95f02");
    draw_line(panel, false, "#1b6ca8");
}

static double highest_of(const struct sim_world *worlds, uint32_t count)
{
    uint32_t highest = 1;

    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < worlds[i].point_count; k++) {
            if (worlds[i].points[k].replicas > highest)
                highest = worlds[i].points[k].replicas;
        }
    }
    return highest;
}

bool sim_plot(const char *path, const struct sim_world *worlds, uint32_t count,
              struct err *err)
{
    FILE *file = fopen(path, "we");
    struct panel panel = {.file = file};

    if (!file)
        return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    panel.highest = highest_of(worlds, count);
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
            "height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
            "<text x=\"%d\" y=\"14\"><tspan fill=\"#d95f02\">demand "
            "(requests / slots a replica, cut off)</tspan> <tspan "
            "fill=\"#1b6ca8\">replicas</tspan></text>\n",
            WIDTH + 10, 20 + (int)count * HEIGHT, LEFT);
    for (uint32_t i = 0; i < count; i++) {
        panel.world = &worlds[i];
        panel.top = 20 + i * HEIGHT;
        panel.end_s = (double)worlds[i].now_us / 1e6;
        fprintf(file,
                "<svg x=\"0\" y=\"0\" width=\"%d\" height=\"%d\">"
                "<clipPath id=\"c%u\"><rect x=\"0\" y=\"%.0f\" width=\"%d\" "
                "height=\"%d\"/></clipPath><g clip-path=\"url(#c%u)\">\n",
                WIDTH + 10, 20 + (int)count * HEIGHT, i, panel.top, WIDTH + 10,
                HEIGHT, i);
        draw_panel(&panel);
        fputs("</g></svg>\n", file);
    }
    fputs("</svg>\n", file);
    if (fclose(file) != 0)
        return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    return true;
}

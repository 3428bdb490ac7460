/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The generic half of the configuration: types, ranges, unknown keys and their likely spelling. */

#include "config-keys.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

void key_error(struct key_reader *reader, unsigned line, const char *format, ...)
{
        va_list ap;

        g_string_append_printf(reader->errors, "%s:%u: ", reader->path, line);
        va_start(ap, format);
        g_string_append_vprintf(reader->errors, format, ap);
        va_end(ap);
        g_string_append_c(reader->errors, '\n');
        reader->n_errors++;
}

/* Levenshtein distance of two short words. */
static unsigned distance(const char *a, const char *b)
{
        unsigned row[64];
        size_t n = strlen(b);

        if (n >= G_N_ELEMENTS(row))
                return 99;
        for (unsigned j = 0; j <= n; j++)
                row[j] = j;
        for (unsigned i = 1; a[i - 1]; i++) {
                unsigned diagonal = row[0];

                row[0] = i;
                for (unsigned j = 1; j <= n; j++) {
                        unsigned was = row[j], same = diagonal + (a[i - 1] != b[j - 1]);

                        row[j] = MIN(same, MIN(row[j - 1], was) + 1);
                        diagonal = was;
                }
        }
        return row[n];
}

const char *key_suggest(const char *word, const char *const *names)
{
        const char *best = NULL;
        unsigned least = 3;

        for (; *names; names++) {
                unsigned d = distance(word, *names);

                if (d < least && d < strlen(*names)) {
                        best = *names;
                        least = d;
                }
        }
        return best;
}

static const char *type_name(int type)
{
        switch (type) {
        case CONFIG_TYPE_INT:
        case CONFIG_TYPE_INT64:
                return "an integer";
        case CONFIG_TYPE_FLOAT:
                return "a fraction";
        case CONFIG_TYPE_STRING:
                return "a string";
        case CONFIG_TYPE_BOOL:
                return "true or false";
        case CONFIG_TYPE_ARRAY:
                return "an array [ ]";
        case CONFIG_TYPE_LIST:
                return "a list ( )";
        case CONFIG_TYPE_GROUP:
                return "a group { }";
        default:
                return "nothing";
        }
}

static bool has_type(struct key_reader *reader, const config_setting_t *s, bool ok, const char *wanted)
{
        if (!ok)
                key_error(reader, config_setting_source_line(s), "'%s' must be %s, not %s", config_setting_name(s), wanted,
                          type_name(config_setting_type(s)));
        return ok;
}

static void read_integer(struct key_reader *reader, const config_setting_t *s, const struct key *key, void *place)
{
        int type = config_setting_type(s);
        int64_t value;

        if (!has_type(reader, s, type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64, "an integer"))
                return;
        value = type == CONFIG_TYPE_INT ? config_setting_get_int(s) : config_setting_get_int64(s);
        if (value < key->min || value > key->max)
                key_error(reader, config_setting_source_line(s), "'%s' must be %" PRIi64 " to %" PRIi64 ", not %" PRIi64, key->name,
                          key->min, key->max, value);
        else if (key->size == sizeof(int64_t))
                *(int64_t *)place = value;
        else
                *(uint32_t *)place = (uint32_t)value;
}

static void read_boolean(struct key_reader *reader, const config_setting_t *s, const struct key *key, void *place)
{
        if (!has_type(reader, s, config_setting_type(s) == CONFIG_TYPE_BOOL, "true or false"))
                return;
        if (key->size == sizeof(bool))
                *(bool *)place = config_setting_get_bool(s) != 0;
        else
                *(uint32_t *)place = config_setting_get_bool(s) != 0;
}

static void read_choice(struct key_reader *reader, const config_setting_t *s, const struct key *key, uint32_t *place)
{
        g_autoptr(GString) all = g_string_new(NULL);
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        const char *text, *meant;

        if (!has_type(reader, s, config_setting_type(s) == CONFIG_TYPE_STRING, "a string"))
                return;
        text = config_setting_get_string(s);
        for (const struct key_choice *c = key->choices; c->name; c++) {
                if (strcmp(c->name, text) == 0) {
                        *place = c->value;
                        return;
                }
                g_string_append_printf(all, "%s\"%s\"", all->len > 0 ? ", " : "", c->name);
                g_ptr_array_add(names, (char *)c->name);
        }
        g_ptr_array_add(names, NULL);
        meant = key_suggest(text, (const char *const *)names->pdata);
        if (meant)
                key_error(reader, config_setting_source_line(s), "'%s' cannot be \"%s\": did you mean \"%s\"?", key->name, text,
                          meant);
        else
                key_error(reader, config_setting_source_line(s), "'%s' cannot be \"%s\", only %s", key->name, text, all->str);
}

static void read_colour(struct key_reader *reader, const config_setting_t *s, const struct key *key, uint32_t *place)
{
        const char *text;

        if (!has_type(reader, s, config_setting_type(s) == CONFIG_TYPE_STRING, "a string"))
                return;
        text = config_setting_get_string(s);
        if (text[0] != '#' || strlen(text) != 7 || strspn(text + 1, "0123456789abcdefABCDEF") != 6)
                key_error(reader, config_setting_source_line(s), "'%s' must be a colour such as \"#ffffff\", not \"%s\"", key->name,
                          text);
        else
                *place = (uint32_t)g_ascii_strtoull(text + 1, NULL, 16);
}

static void read_number(struct key_reader *reader, const config_setting_t *s, const struct key *key, uint32_t *place)
{
        int type = config_setting_type(s);
        double value;

        if (!has_type(reader, s, type == CONFIG_TYPE_INT || type == CONFIG_TYPE_FLOAT, "a number"))
                return;
        value = type == CONFIG_TYPE_INT ? config_setting_get_int(s) : config_setting_get_float(s);
        if (!(value >= (double)key->min && value <= (double)key->max))
                key_error(reader, config_setting_source_line(s), "'%s' must be %" PRIi64 " to %" PRIi64, key->name, key->min,
                          key->max);
        else
                *place = (uint32_t)(value * 100 + 0.5);
}

static void read_string(struct key_reader *reader, const config_setting_t *s, char **place)
{
        if (!has_type(reader, s, config_setting_type(s) == CONFIG_TYPE_STRING, "a string"))
                return;
        g_free(*place);
        *place = g_strdup(config_setting_get_string(s));
}

static void read_key(struct key_reader *reader, const config_setting_t *s, const struct key *key, void *into)
{
        void *place = (char *)into + key->offset;

        switch (key->type) {
        case KEY_INTEGER:
                read_integer(reader, s, key, place);
                break;
        case KEY_BOOLEAN:
                read_boolean(reader, s, key, place);
                break;
        case KEY_STRING:
                read_string(reader, s, place);
                break;
        case KEY_CHOICE:
                read_choice(reader, s, key, place);
                break;
        case KEY_COLOUR:
                read_colour(reader, s, key, place);
                break;
        case KEY_NUMBER:
                read_number(reader, s, key, place);
                break;
        case KEY_OTHER:
                break;
        }
}

static void unknown_key(struct key_reader *reader, const config_setting_t *s, const struct key *table, size_t n)
{
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        const char *meant;

        for (size_t i = 0; i < n; i++)
                g_ptr_array_add(names, (char *)table[i].name);
        g_ptr_array_add(names, NULL);
        meant = key_suggest(config_setting_name(s), (const char *const *)names->pdata);
        if (meant)
                key_error(reader, config_setting_source_line(s), "unknown key '%s': did you mean '%s'?", config_setting_name(s),
                          meant);
        else
                key_error(reader, config_setting_source_line(s), "unknown key '%s'", config_setting_name(s));
}

void key_read_group(struct key_reader *reader, const config_setting_t *group, const struct key *table, size_t n, void *into,
                    uint32_t *present)
{
        assert(config_setting_is_group(group));
        for (int i = 0; i < config_setting_length(group); i++) {
                const config_setting_t *s = config_setting_get_elem(group, (unsigned)i);
                const struct key *key = NULL;

                for (size_t k = 0; k < n && !key; k++)
                        if (strcmp(table[k].name, config_setting_name(s)) == 0)
                                key = table + k;
                if (!key) {
                        unknown_key(reader, s, table, n);
                        continue;
                }
                if (present)
                        *present |= key->present_bit;
                read_key(reader, s, key, into);
        }
}

void key_check_text(struct key_reader *reader, const char *text)
{
        unsigned line = 1;

        for (const char *at = text; *at; at++) {
                if (*at == '"') {
                        for (at++; *at && *at != '"'; at++) {
                                line += *at == '\n';
                                if (*at == '\\' && at[1])
                                        at++;
                        }
                        if (!*at)
                                return;
                } else if (*at == '#' || (at[0] == '/' && at[1] == '/')) {
                        at += strcspn(at, "\n") - 1;
                } else if (at[0] == '/' && at[1] == '*') {
                        const char *end = strstr(at + 2, "*/");

                        for (; at < end; at++)
                                line += *at == '\n';
                        if (!end)
                                return;
                } else if (g_str_has_prefix(at, "@include")) {
                        key_error(reader, line, "@include is not supported: write everything into one file");
                        return;
                } else if (g_ascii_isalnum(*at) || *at == '_' || *at == '*') {
                        size_t n = strspn(at, "0123456789"),
                               hex = at[0] == '0' && (at[1] | 32) == 'x' ? strspn(at + 2, "0123456789abcdefABCDEF") : 0;

                        if ((n > 9 || hex > 8 || (hex == 8 && at[2] > '7')) && at[n] != '.')
                                key_error(reader, line, "the integer %.*s is too long: nine digits at most",
                                          (int)MAX(n, hex ? hex + 2 : 0), at);
                        while (g_ascii_isalnum(at[1]) || at[1] == '_' || at[1] == '-' || at[1] == '*')
                                at++;
                }
                line += *at == '\n';
        }
}

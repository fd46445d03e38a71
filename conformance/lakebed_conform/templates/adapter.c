/* A Lakebed port in C: answers one JSON line per request. Fill in do_read with your implementation.
 * Requests are flat objects; find() and text() read them. Use your JSON library where you have one. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELLO "\"ok\":true,\"protocol\":1,\"name\":\"mylib\",\"version\":\"0\",\"language\":\"c\"," \
              "\"formats\":[\"1.0\"],\"roles\":[\"reader\"],\"features\":[]"

/* What stands behind "key":, or NULL. */
static const char *find(const char *line, const char *key) {
    char name[64];
    snprintf(name, sizeof name, "\"%s\":", key);
    const char *at = strstr(line, name);
    if (!at) return NULL;
    at += strlen(name);
    while (*at == ' ') at++;
    return at;
}

/* The string that is the value of key, without escapes (\uXXXX of ASCII only); NULL when there is none. */
static char *text(const char *line, const char *key) {
    const char *from = find(line, key);
    if (!from || *from++ != '"') return NULL;
    char *out = malloc(strlen(from) + 1), *to = out;
    for (; *from && *from != '"'; from++) {
        if (*from != '\\') { *to++ = *from; continue; }
        from++;
        if (*from == 'u') { *to++ = (char)strtol((char[5]){from[1], from[2], from[3], from[4], 0}, NULL, 16); from += 4; }
        else *to++ = *from == 'n' ? '\n' : *from == 't' ? '\t' : *from;
    }
    *to = 0;
    return out;
}

/* Write the items' bytes, back to back, to out; print "ok", dtype and shapes (null for a missing sample), or an error.
 * Rows: "list" (array of decimal strings), or "first" and "count", or all. */
static void do_read(const char *line) {
    char *root = text(line, "root"), *tensor = text(line, "tensor"), *out = text(line, "out");
    /* mylib_read(root, tensor, ..., out); printf("\"ok\":true,\"dtype\":\"%s\",\"shapes\":[...]", ...); */
    printf("\"ok\":false,\"error\":{\"code\":\"E_ANY\",\"detail\":\"read is not written yet\"}");
    free(root);
    free(tensor);
    free(out);
}

int main(void) {
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        const char *id = find(line, "id");
        char *op = text(line, "op");
        printf("{\"id\":%d,", id ? atoi(id) : 0);
        if (op && !strcmp(op, "hello")) printf(HELLO);
        else if (op && !strcmp(op, "read")) do_read(line);
        else if (op && (!strcmp(op, "inspect") || !strcmp(op, "read_file"))) /* a reader owes these too, in "out" */
            printf("\"ok\":false,\"error\":{\"code\":\"E_ANY\",\"detail\":\"%s is not written yet\"}", op);
        else printf("\"skip\":\"%s\"", op && *op ? op : "?");
        printf("}\n");
        fflush(stdout);
        free(op);
    }
    return 0;
}

/* What the stand-in's two files share. Layouts that the module relies on are FreeSWITCH's. */
#ifndef FSX_STANDIN_H
#define FSX_STANDIN_H

#include <stddef.h>
#include <stdint.h>

enum { MAX_VARS = 64, MAX_OUTCOMES = 64, MAX_INTERFACES = 8 };

struct vars {
	int n;
	char *name[MAX_VARS];
	char *value[MAX_VARS];
};

struct session {
	char uuid[64];
	struct vars vars, profile;
	int no_profile, cause, answered, transferring, locks, ends_with, outlives;
};

struct extension {
	char text[512];
};

struct api {
	const char *name, *desc;
	int (*function)(const char *, struct session *, void *);
	const char *syntax;
};

struct app {
	const char *name;
	void (*function)(struct session *, const char *);
	const char *long_desc, *short_desc, *syntax;
	uint32_t flags;
};

struct dialplan {
	const char *name;
	struct extension *(*hunt)(struct session *, void *, void *);
};

struct state_handlers {
	int (*on[12])(struct session *);
	int flags;
	void *padding[10];
};

struct module_table {
	int api_version;
	int (*load)(void **, void *);
	int (*shutdown)(void);
	int (*runtime)(void);
	uint32_t flags;
};

struct xml {
	char *name;
	char **attr;
	char *txt, *free_path;
	size_t off;
	struct xml *next, *sibling, *ordered, *child, *parent;
};

/* The head of an event, and a header, as modules walk through them. */
struct header {
	const char *name, *value;
	char **array;
	int idx;
	unsigned long hash;
	struct header *next;
};

struct event_head {
	int id, priority;
	char *owner, *subclass;
	struct header *headers;
};

typedef struct xml *(*lookup_fn)(const char *, const char *, const char *, const char *, void *, void *);

typedef int (*complete_fn)(const char *, const char *, char **);

struct outcome {
	char kind;
	int cause, sip;
};

struct state {
	/* The first of each kind is the one that commands without a name mean. */
	struct api *api[MAX_INTERFACES];
	struct app *app[MAX_INTERFACES];
	struct dialplan *dialplan[MAX_INTERFACES];
	const struct state_handlers *handlers;
	void (*on_shutdown)(void *);
	int completions, events, config_held, xml_broken, has_mod_lcr;
	char *dial_waits;
	struct session call, leg;
	struct outcome outcomes[MAX_OUTCOMES];
	int outcomes_n, next_outcome;
	struct xml *config;
	lookup_fn lookup;
	complete_fn complete;
	char now_us[32];
};

extern struct state standin;

void standin_die(const char *why);
void standin_hang_up(struct session *session);
void standin_set(struct vars *vars, const char *name, const char *value);
const char *standin_get(const struct vars *vars, const char *name);

#endif

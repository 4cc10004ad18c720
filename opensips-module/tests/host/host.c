/*
 * A stand-in for OpenSIPS: loads the real module the way OpenSIPS does and drives it by lines on
 * standard input, so that the module is tested where no OpenSIPS is.
 *
 * Written by us from the published interface; it shares no code with OpenSIPS. Build it once a
 * layout with -DRELEASE=30300, 30400, 30607 or 40000, linked -rdynamic like the program it stands for.
 *
 *     host MODULE VERSION [PARAM=VALUE]...
 *
 * Commands, one a line; words are parted by tabs, so that values may hold spaces:
 *     var NAME VALUE          sets rU, fU, ci or another variable; without VALUE it is null
 *     route NUMBER ORG FLAGS  calls fsx_route; "-" leaves a parameter out
 *     next STATUS             calls fsx_next; STATUS may be left out
 *     without-message         calls every callback that takes a message with none
 *     fsx NAME                reads $fsx(NAME)
 *     uri                     shows the request URI
 *     avp VALUE               overwrites the plan
 *     mi NAME [KEY=VALUE]...  calls an MI command
 *     stat NAME               reads a statistic
 *     child RANK              runs child_init
 *     keeper                  forks the module's process
 *     idle                    does nothing but what other processes asked for
 *     time COUNT NUMBER       nanoseconds a call of fsx_route takes, on average
 *     quit
 * A number or flag may be given as @null (a str without bytes), @negative (a negative length) or
 * hex:616263.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef RELEASE
#error "say which release to stand for: -DRELEASE=30608"
#endif

/* ---- the interface, as each layout has it ---- */

#if RELEASE < 30400
#define MI_PARAMS 10
#define MI_RECIPES 11
#elif RELEASE < 40000
#define MI_PARAMS 10
#define MI_RECIPES 48
#else
#define MI_PARAMS 20
#define MI_RECIPES 48
#endif

typedef struct { char *s; int len; } str;
struct sip_msg { char guard[4096]; };

struct cmd_param { int flags; int (*fixup)(void **); int (*free_fixup)(void **); };
typedef int (*cmd_function)(struct sip_msg *, void *, void *, void *, void *, void *, void *, void *, void *);
struct cmd_export { const char *name; cmd_function function; struct cmd_param params[9]; int flags; };
struct param_export { const char *name; unsigned type; void *pointer; };
struct stat_export { const char *name; unsigned short flags; void *pointer; };

typedef struct { str rs; int ri; int flags; } pv_value;
typedef struct {
	struct { int type; union { struct { int type; union { int n; str s; } name; } isname; void *dname; } u; } pvn;
	struct { int type; union { int ival; void *dval; } u; } pvi;
	str pvv;
#if RELEASE >= 30607
	int pvv_flags;
#endif
} pv_param;
typedef struct pv_spec {
	int type;
	int (*getf)(struct sip_msg *, pv_param *, pv_value *);
	int (*setf)(struct sip_msg *, pv_param *, int, pv_value *);
	pv_param pvp;
	void *pvc;
	void *trans;
} pv_spec;
struct pv_export {
	str name;
	int type;
	int (*getf)(struct sip_msg *, pv_param *, pv_value *);
	int (*setf)(struct sip_msg *, pv_param *, int, pv_value *);
	int (*parse_name)(pv_spec *, const str *);
	int (*parse_index)(pv_spec *, const str *);
	int (*init_param)(pv_spec *, int);
	int iparam;
};
struct proc_export { const char *name; int (*pre)(void); int (*post)(void); void (*function)(int); unsigned no, flags; };

struct item;
struct mi_params { struct item *item; char *const *list; };
typedef struct item *(*mi_function)(const struct mi_params *, void *);
struct mi_recipe { mi_function cmd; char *params[MI_PARAMS]; };
struct mi_export {
	char *name, *help;
	unsigned flags;
	int (*init)(void);
	struct mi_recipe recipes[MI_RECIPES];
#if RELEASE >= 40000
	const char *aliases[4];
#endif
};

struct module_exports {
	const char *name;
	int type;
	const char *version, *compile_flags;
#if RELEASE >= 30400
	struct { const char *type, *rev; } scm;
#endif
	unsigned dlflags;
	int (*load_f)(void);
	void *deps;
	struct cmd_export *cmds;
	void *acmds;
	struct param_export *params;
	struct stat_export *stats;
	struct mi_export *mi;
	struct pv_export *items;
	void *trans;
	struct proc_export *procs;
	int (*preinit)(void), (*init)(void);
	void *response, *destroy;
	int (*child_init)(int);
	int (*reload_ack)(void);
};

/* ---- what the program exports ---- */

struct module_exports proto_udp_exports = {
	.name = "proto_udp", .type = 1,
	.compile_flags = "STATS: On, STAND-IN",
#if RELEASE >= 30400
	.scm = { "git", "0123abcd" },
#endif
};
int process_no;
static int level_value = 4;
int *log_level = &level_value;
int log_facility;
char *log_prefix = "";
/* A decoy: modules opened with RTLD_GLOBAL bring such a symbol into scope. */
char exports[256] = "not yours";

static char *strings_dup(const char *s, size_t n)
{
	char *copy = malloc(n + 1);
	memcpy(copy, s, n);
	copy[n] = 0;
	return copy;
}

#if RELEASE < 30400
int log_stderr = 1;
void dprint(char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
}
#else
void dprint(int level, int facility, const char *module, const char *func,
	char *stderr_format, char *syslog_format, char *format, ...)
{
	va_list ap;
	(void)level; (void)facility;
	va_start(ap, format);
	vfprintf(stderr, stderr_format, ap);
	va_end(ap);
	/* Syslog takes time and process off first, JSON the prefix and the function as well. */
	va_start(ap, format);
	(void)va_arg(ap, char *); (void)va_arg(ap, int);
	fputs("syslog: ", stderr);
	vfprintf(stderr, syslog_format, ap);
	va_end(ap);
	va_start(ap, format);
	(void)va_arg(ap, char *); (void)va_arg(ap, int); (void)va_arg(ap, char *);
	if (module && func)
		(void)va_arg(ap, char *);
	fputs("json: ", stderr);
	vfprintf(stderr, format, ap);
	va_end(ap);
}
#endif

/* ---- variables ---- */

static struct { char name[32]; char *value; } vars[16];
static char *uri;
static char *plan;
static struct module_exports *module;

static char **var(const char *name, size_t n)
{
	for (int i = 0; i < 16; i++) {
		if (!vars[i].name[0])
			memcpy(vars[i].name, name, n < 31 ? n : 31);
		if (strlen(vars[i].name) == n && !strncmp(vars[i].name, name, n))
			return &vars[i].value;
	}
	abort();
}

int pv_get_null(struct sip_msg *msg, pv_param *param, pv_value *value)
{
	(void)msg; (void)param;
	memset(value, 0, sizeof *value);
	value->flags = 1;
	return 0;
}

static int give(char *text, pv_value *value)
{
	if (!text)
		return pv_get_null(NULL, NULL, value);
	*value = (pv_value){ { text, (int)strlen(text) }, 0, 4 };
	return 0;
}

static int get_var(struct sip_msg *msg, pv_param *param, pv_value *value)
{
	return msg ? give(*(char **)param->pvn.u.dname, value) : -1;
}

static int get_plan(struct sip_msg *msg, pv_param *param, pv_value *value)
{
	(void)param;
	return msg ? give(plan, value) : -1;
}

static int set_plan(struct sip_msg *msg, pv_param *param, int op, pv_value *value)
{
	(void)op;
	if (!msg)
		return -1;
	/* Only the spec of all values replaces; the plain one would add another. */
	if (param->pvi.type != 2 || !(value->flags & 4)) {
		fprintf(stderr, "the plan was added to, not replaced\n");
		return -1;
	}
	char *copy = strings_dup(value->rs.s, (size_t)value->rs.len);
	free(plan);
	plan = copy;
	return 0;
}

int pv_init_iname(pv_spec *spec, int number)
{
	if (!spec)
		return -1;
	spec->pvp.pvn.type = 0;
	spec->pvp.pvn.u.isname.name.n = number;
	return 0;
}

int pv_get_spec_name(struct sip_msg *msg, pv_param *param, pv_value *name)
{
	if (!msg || !param || !name)
		return -1;
	*name = (pv_value){ { NULL, 0 }, param->pvn.u.isname.name.n, 8 | 16 };
	return 0;
}

char *pv_parse_spec(const str *in, pv_spec *spec)
{
	char *end = in->s + in->len;
	memset(spec, 0, sizeof *spec);
	spec->type = 1;
	if (in->len > 6 && !strncmp(in->s, "$avp(", 5)) {
		spec->getf = get_plan;
		spec->setf = set_plan;
	} else if (in->len > 6 && !strncmp(in->s, "$(avp(", 6)) {
		spec->getf = get_plan;
		spec->setf = set_plan;
		spec->pvp.pvi.type = 2;
	} else if (in->len > 6 && !strncmp(in->s, "$fsx(", 5)) {
		str name = { in->s + 5, in->len - 6 };
		if (module->items[0].parse_name(spec, &name))
			return NULL;
		spec->getf = module->items[0].getf;
	} else if (in->len > 1 && in->s[0] == '$' && strncmp(in->s, "$nonsense", 9)) {
		spec->getf = get_var;
		spec->pvp.pvn.u.dname = var(in->s + 1, (size_t)in->len - 1);
	} else {
		return NULL;
	}
	return end;
}

int pv_get_spec_value(struct sip_msg *msg, pv_spec *spec, pv_value *value)
{
	if (!msg || !spec || !spec->getf || !value)
		return -1;
	memset(value, 0, sizeof *value);
	if (spec->getf(msg, &spec->pvp, value))
		return pv_get_null(NULL, NULL, value);
	return 0;
}

int pv_set_value(struct sip_msg *msg, pv_spec *spec, int op, pv_value *value)
{
	return msg && spec && spec->setf ? spec->setf(msg, &spec->pvp, op, value) : -1;
}

/* A format is one variable or one text here. */
struct element { str text; pv_spec spec; };

int pv_parse_format(const str *in, struct element **out)
{
	struct element *e = calloc(1, sizeof *e);
	e->text = *in;
	if (in->s[0] == '$' && !pv_parse_spec(in, &e->spec))
		return -1;
	*out = e;
	return 0;
}

int pv_printf_s(struct sip_msg *msg, struct element *e, str *out)
{
	/* One passing buffer, so that a text kept too long is seen to change. */
	static char buffer[2000];
	pv_value value;
	if (!e->spec.getf) {
		*out = e->text;
		return 0;
	}
	if (pv_get_spec_value(msg, &e->spec, &value))
		return -1;
	memset(buffer, 'X', sizeof buffer);
	out->s = buffer;
	if (value.flags & 1) {
		memcpy(buffer, "<null>", 6);
		out->len = 6;
	} else {
		memcpy(buffer, value.rs.s, (size_t)value.rs.len);
		out->len = value.rs.len;
	}
	return 0;
}

/* One pipe, from whichever process to the first one, which works it off before each command. */
static int ipc[2];
struct job { void (*run)(int, void *); void *param; };

int ipc_send_rpc(int to, void (*run)(int, void *), void *param)
{
	struct job job = { run, param };
	(void)to;
	return write(ipc[1], &job, sizeof job) == sizeof job ? 0 : -1;
}

static void work_off(void)
{
	struct job job;
	while (read(ipc[0], &job, sizeof job) == sizeof job)
		job.run(7, job.param);
}

int set_ruri(struct sip_msg *msg, str *to)
{
	if (!msg || !to)
		return -1;
	free(uri);
	uri = strings_dup(to->s, (size_t)to->len);
	return 0;
}

/* ---- MI: a tree of texts ---- */

struct item { char kind; char *name, *value; struct item *child, *next; };

static struct item *add(struct item *to, char *name, int name_len, char kind)
{
	struct item *it = calloc(1, sizeof *it), **at;
	it->kind = kind;
	if (to->kind == '{')
		it->name = strings_dup(name ? name : "", name ? (size_t)name_len : 0);
	for (at = &to->child; *at; at = &(*at)->next)
		;
	return *at = it;
}

static struct item *root(char kind, struct item **out)
{
	struct item *it = calloc(1, sizeof *it);
	it->kind = kind;
	if (out)
		*out = it;
	return it;
}

struct item *init_mi_result_object(struct item **out) { return root('{', out); }
struct item *add_mi_array(struct item *to, char *n, int l) { return add(to, n, l, '['); }
struct item *add_mi_object(struct item *to, char *n, int l) { return add(to, n, l, '{'); }
int add_mi_null(struct item *to, char *n, int l) { add(to, n, l, 'z'); return 0; }

int add_mi_string(struct item *to, char *n, int l, const char *v, int vl)
{
	add(to, n, l, '"')->value = strings_dup(v, (size_t)vl);
	return 0;
}

int add_mi_number(struct item *to, char *n, int l, double v)
{
	if (asprintf(&add(to, n, l, '#')->value, "%.0f", v) < 0)
		abort();
	return 0;
}

int add_mi_bool(struct item *to, char *n, int l, int v)
{
	add(to, n, l, '#')->value = strdup(v ? "true" : "false");
	return 0;
}

struct item *init_mi_error_extra(int code, const char *text, int len, const char *d, int dl)
{
	struct item *it = root('e', NULL);
	(void)d; (void)dl;
	if (asprintf(&it->value, "error %d: %.*s", code, len, text) < 0)
		abort();
	return it;
}

int try_get_mi_string_param(const struct mi_params *params, char *name, char **value, int *len)
{
	for (struct item *it = params->item ? params->item->child : NULL; it; it = it->next)
		if (!strcmp(it->name, name)) {
			*value = it->value;
			*len = (int)strlen(it->value);
			return 0;
		}
	return -1;
}

static void print_text(const char *s)
{
	putchar('"');
	for (; *s; s++)
		if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else if ((unsigned char)*s < 32)
			printf("\\u%04x", *s);
		else
			putchar(*s);
	putchar('"');
}

static void print_item(struct item *it)
{
	switch (it->kind) {
	case '"': print_text(it->value); return;
	case '#': fputs(it->value, stdout); return;
	case 'z': fputs("null", stdout); return;
	case 'e': fputs(it->value, stdout); return;
	}
	putchar(it->kind);
	for (struct item *c = it->child; c; c = c->next) {
		if (it->kind == '{') {
			print_text(c->name);
			putchar(':');
		}
		print_item(c);
		if (c->next)
			putchar(',');
	}
	putchar(it->kind == '{' ? '}' : ']');
}

/* ---- loading, as OpenSIPS does ---- */

static void load(const char *path, const char *version)
{
	void *handle;
	proto_udp_exports.version = *version ? version : NULL;
	handle = dlopen(path, RTLD_NOW);
	if (!handle) {
		printf("refused: %s\n", dlerror());
		exit(1);
	}
	module = dlsym(handle, "exports");
	if (!module || !module->version || !module->compile_flags) {
		printf("refused: no version\n");
		exit(1);
	}
#if RELEASE >= 30400
	if (!module->scm.type || !module->scm.rev) {
		printf("refused: no version control\n");
		exit(1);
	}
#endif
	if (strcmp(module->version, version)) {
		printf("refused: module version mismatch for %s; core: %s; module: %s\n",
			module->name, version, module->version);
		exit(1);
	}
	if (strcmp(module->compile_flags, proto_udp_exports.compile_flags)) {
		printf("refused: flags %s\n", module->compile_flags);
		exit(1);
	}
#if RELEASE >= 30400
	if (strcmp(module->scm.type, "git") || strcmp(module->scm.rev, "0123abcd")) {
		printf("refused: version control %s %s\n", module->scm.type, module->scm.rev);
		exit(1);
	}
#endif
	if (module->dlflags || module->load_f || module->deps || module->acmds || module->trans ||
		module->preinit || module->response || module->destroy || module->reload_ack) {
		printf("refused: a field that should be empty is not\n");
		exit(1);
	}
	if (strcmp(exports, "not yours")) {
		printf("refused: the module wrote to another module's exports\n");
		exit(1);
	}
}

static void set_param(char *text)
{
	char *value = strchr(text, '=');
	struct param_export *p;
	*value++ = 0;
	for (p = module->params; p->name; p++)
		if (!strcmp(p->name, text))
			break;
	if (!p->name) {
		printf("refused: no parameter %s\n", text);
		exit(1);
	}
	if (p->type & (1U << 31)) {
		if (((int (*)(unsigned, void *))p->pointer)(1, value) < 0) {
			printf("refused: parameter %s\n", text);
			exit(1);
		}
	} else if (p->type & 2) {
		*(int *)p->pointer = atoi(value);
	} else {
		*(char **)p->pointer = strdup(value);
	}
}

static cmd_function command(const char *name)
{
	for (struct cmd_export *c = module->cmds; c->name; c++)
		if (!strcmp(c->name, name)) {
			if (!(c->flags & 1) || !(c->flags & 2))
				abort();
			return c->function;
		}
	abort();
}

static struct sip_msg message;

static str *text_param(char *word, str *into)
{
	if (!word || !strcmp(word, "-"))
		return NULL;
	if (!strcmp(word, "@null")) {
		*into = (str){ NULL, 5 };
	} else if (!strcmp(word, "@negative")) {
		*into = (str){ word, -1 };
	} else if (!strncmp(word, "hex:", 4)) {
		char *out = word;
		for (char *in = word + 4; in[0] && in[1]; in += 2) {
			char pair[3] = { in[0], in[1], 0 };
			*out++ = (char)strtol(pair, NULL, 16);
		}
		*into = (str){ word, (int)(out - word) };
	} else {
		*into = (str){ word, (int)strlen(word) };
	}
	return into;
}

static void mi(char **words)
{
	struct item params = { .kind = '{' };
	struct mi_params request = { &params, NULL };
	for (char **w = words + 1; *w; w++) {
		char *value = strchr(*w, '=');
		struct item *it = add(&params, *w, (int)(value - *w), '"');
		it->value = value + 1;
	}
	for (struct mi_export *m = module->mi; m->name; m++) {
		int named = !strcmp(m->name, words[0]);
#if RELEASE >= 40000
		named |= m->aliases[0] && !strcmp(m->aliases[0], words[0]);
		if (strchr(m->name, ':'))
			abort();
#endif
		if (!named)
			continue;
		for (struct mi_recipe *r = m->recipes; r->cmd; r++) {
			size_t n = 0, found = 0;
			for (; n < MI_PARAMS && r->params[n]; n++)
				for (struct item *it = params.child; it; it = it->next)
					found += !strcmp(it->name, r->params[n]);
			size_t given = 0;
			for (struct item *it = params.child; it; it = it->next)
				given++;
			if (n != found || n != given)
				continue;
			struct item *reply = r->cmd(&request, NULL);
			if (reply)
				print_item(reply);
			else
				fputs("error: command handler returned null", stdout);
			putchar('\n');
			return;
		}
		puts("error: no recipe");
		return;
	}
	puts("error: no command");
}

static int run(char **words)
{
	str a, c;
	int b;
	if (!strcmp(words[0], "var")) {
		*var(words[1], strlen(words[1])) = words[2] ? strdup(words[2]) : NULL;
		puts("ok");
	} else if (!strcmp(words[0], "route")) {
		str *number = text_param(words[1], &a), *flags = text_param(words[3], &c);
		int *org = words[2] && strcmp(words[2], "-") ? &b : NULL;
		b = org ? atoi(words[2]) : 0;
		printf("%d\n", command("fsx_route")(&message, number, org, flags, 0, 0, 0, 0, 0));
	} else if (!strcmp(words[0], "time")) {
		struct timespec from, to;
		long n = atol(words[1]);
		str *number = text_param(words[2], &a);
		cmd_function fsx_route = command("fsx_route");
		clock_gettime(CLOCK_MONOTONIC, &from);
		for (long i = 0; i < n; i++)
			fsx_route(&message, number, NULL, NULL, 0, 0, 0, 0, 0);
		clock_gettime(CLOCK_MONOTONIC, &to);
		printf("%ld\n", ((to.tv_sec - from.tv_sec) * 1000000000L + to.tv_nsec - from.tv_nsec) / n);
	} else if (!strcmp(words[0], "next")) {
		b = words[1] ? atoi(words[1]) : 0;
		printf("%d\n", command("fsx_next")(&message, words[1] ? &b : NULL, 0, 0, 0, 0, 0, 0, 0));
	} else if (!strcmp(words[0], "without-message")) {
		pv_spec spec = { 0 };
		pv_value value;
		str name = { "cause", 5 }, null = { NULL, 3 };
		struct pv_export *pv = module->items;
		int parsed = pv->parse_name(&spec, &name);
		printf("%d %d %d %d %d %d %d %d\n",
			command("fsx_route")(NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0),
			command("fsx_next")(NULL, 0, 0, 0, 0, 0, 0, 0, 0),
			parsed,
			pv->getf(NULL, &spec.pvp, &value),
			pv->getf(&message, NULL, &value),
			pv->getf(&message, &spec.pvp, NULL),
			pv->parse_name(&spec, NULL),
			pv->parse_name(&spec, &null));
	} else if (!strcmp(words[0], "fsx")) {
		char text[200];
		str in = { text, snprintf(text, sizeof text, "$fsx(%s)", words[1]) };
		pv_spec spec;
		pv_value value;
		if (!pv_parse_spec(&in, &spec))
			puts("no such name");
		else if (pv_get_spec_value(&message, &spec, &value) || value.flags & 1)
			puts("null");
		else
			printf("%s %.*s %d\n", value.flags & 16 ? "number" : "text",
				value.rs.len, value.rs.s, value.ri);
	} else if (!strcmp(words[0], "uri")) {
		puts(uri ? uri : "unchanged");
	} else if (!strcmp(words[0], "avp")) {
		free(plan);
		plan = words[1] ? strdup(words[1]) : NULL;
		puts("ok");
	} else if (!strcmp(words[0], "mi")) {
		mi(words + 1);
	} else if (!strcmp(words[0], "stat")) {
		struct stat_export *s = module->stats;
		while (s->name && strcmp(s->name, words[1]))
			s++;
		if (!s->name || s->flags != 8)
			puts("no such statistic");
		else
			printf("%lu\n", ((unsigned long (*)(void *))s->pointer)(NULL));
	} else if (!strcmp(words[0], "child")) {
		process_no = atoi(words[1]);
		printf("%d\n", module->child_init(process_no));
	} else if (!strcmp(words[0], "keeper")) {
		struct proc_export *p = module->procs;
		if (!p[0].name || p[0].no != 1 || p[1].name)
			abort();
		fflush(NULL);
		pid_t pid = fork();
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			process_no = 7;
			p[0].function(0);
			_exit(0);
		}
		puts(pid > 0 ? "ok" : "no fork");
	} else if (!strcmp(words[0], "idle")) {
		puts("ok");
	} else if (!strcmp(words[0], "quit")) {
		return 0;
	} else {
		puts("what?");
	}
	return 1;
}

int main(int argc, char **argv)
{
	static char line[8192];
	if (argc < 3)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (pipe2(ipc, O_NONBLOCK))
		return 2;
	load(argv[1], argv[2]);
	for (int i = 3; i < argc; i++)
		set_param(argv[i]);
	if (module->init()) {
		puts("refused: mod_init");
		return 1;
	}
	puts("loaded");
	while (fgets(line, sizeof line, stdin)) {
		char *words[16] = { 0 }, *at = line;
		int n = 0;
		line[strcspn(line, "\n")] = 0;
		while (n < 15 && (words[n] = strsep(&at, "\t")))
			n++;
		work_off();
		if (!run(words))
			break;
		fflush(stdout);
	}
	return 0;
}

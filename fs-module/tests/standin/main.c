/*
 * The stand-in as a program: opens a module as FreeSWITCH opens one, and does what lines on its
 * standard input say. Words are separated by tabs. Every callback runs on a thread with
 * FreeSWITCH's small stack, painted beforehand to see how deep it went.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "standin.h"

enum { STACK = 240 * 1024, MAX_WORDS = 32 };

static struct module_table *module;
static size_t deepest;
static char deepest_at[64];

/*
 * Found by the module before libc's. A thread-local with a destructor is one that runs when a thread of
 * the switch ends, long after the call: the module may have none.
 */
int __cxa_thread_atexit_impl(void (*dtor)(void *), void *object, void *dso)
{
	(void) dtor; (void) object; (void) dso;
	standin_die("the module registered a thread-local with a destructor");
	return -1;
}

/* Running something on a small painted stack. */

struct job {
	void (*work)(char **words, int n);
	char **words;
	int n;
};

static void *run_job(void *arg)
{
	struct job *job = arg;
	job->work(job->words, job->n);
	return NULL;
}

static void on_small_stack(void (*work)(char **, int), char **words, int n)
{
	struct job job = { work, words, n };
	pthread_attr_t attr;
	pthread_t thread;
	unsigned char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack == MAP_FAILED) standin_die("no memory for a stack");
	memset(stack, 0xa5, STACK);
	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, stack, STACK);
	if (pthread_create(&thread, &attr, run_job, &job)) standin_die("no thread");
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attr);
	size_t untouched = 0;
	while (untouched < STACK && stack[untouched] == 0xa5) untouched++;
	if (STACK - untouched > deepest) {
		deepest = STACK - untouched;
		snprintf(deepest_at, sizeof(deepest_at), "%s", words[0]);
	}
	munmap(stack, STACK);
}

/* A stream as a module sees one. */

struct stream {
	void *read_function;
	void *write_function;
	int (*raw_write_function)(void *, unsigned char *, size_t);
};

static int raw_write(void *stream, unsigned char *data, size_t len)
{
	if (!stream || !data) standin_die("a write to nowhere");
	fwrite(data, 1, len, stdout);
	return 0;
}

/* The commands. */

static void do_load(char **words, int n)
{
	(void) words; (void) n;
	void *interface = NULL;
	static char pool;
	int status = module->load(&interface, &pool);
	printf("loaded %d %s", status, interface ? "interface" : "nothing");
	for (int i = 0; i < MAX_INTERFACES && standin.api[i]; i++) printf(" api=%s", standin.api[i]->name);
	for (int i = 0; i < MAX_INTERFACES && standin.app[i]; i++) printf(" app=%s", standin.app[i]->name);
	for (int i = 0; i < MAX_INTERFACES && standin.dialplan[i]; i++) printf(" dialplan=%s", standin.dialplan[i]->name);
	printf(" completions=%d held=%d\n", standin.completions, standin.config_held);
}

/* The interface of that name among `all`, whose name comes first; the first for no name. */
#define NAMED(all, wanted) ({ \
	__typeof__((all)[0]) found = (wanted) ? NULL : (all)[0]; \
	for (int i = 0; (wanted) && i < MAX_INTERFACES && (all)[i]; i++) { \
		if (!strcmp((all)[i]->name, (wanted))) found = (all)[i]; \
	} \
	found; })

static void call_api(const char *name, const char *arguments, struct session *session)
{
	struct stream stream = { NULL, NULL, raw_write };
	struct api *api = NAMED(standin.api, name);
	if (!api || !api->function) {
		printf("no api\n");
		return;
	}
	printf("api<<\n");
	int status = api->function(arguments, session, &stream);
	printf(">>%d\n", status);
}

static void do_api(char **words, int n)
{
	call_api(NULL, n > 1 ? words[1] : NULL, NULL);
}

static void do_api_session(char **words, int n)
{
	call_api(NULL, n > 1 ? words[1] : NULL, &standin.call);
}

/* Arguments that no script line could hold: bytes by a hexadecimal pattern, repeated. */
static void do_api_bytes(char **words, int n)
{
	size_t times = n > 2 ? strtoul(words[2], NULL, 10) : 1, len = strlen(words[1]) / 2;
	char *text = malloc(len * times + 1);
	for (size_t i = 0; i < len * times; i++) {
		char pair[3] = { words[1][i % len * 2], words[1][i % len * 2 + 1], 0 };
		text[i] = (char) strtoul(pair, NULL, 16);
	}
	text[len * times] = 0;
	call_api(NULL, text, NULL);
	free(text);
}

static void do_api_no_stream(char **words, int n)
{
	(void) n;
	printf("status %d\n", standin.api[0]->function(words[0], NULL, NULL));
}

/* Another command than the first: its name, its arguments. */
static void do_api_named(char **words, int n)
{
	call_api(words[1], n > 2 ? words[2] : NULL, NULL);
}

static void run_app(const char *name, const char *data)
{
	struct app *app = NAMED(standin.app, name);
	if (!app || !app->function) {
		printf("no app\n");
		return;
	}
	app->function(&standin.call, data);
	printf("app done cause=%d answered=%d legs locked=%d events=%d\n", standin.call.cause,
		standin.call.answered, standin.leg.locks, standin.events);
}

static void do_app(char **words, int n)
{
	run_app(NULL, n > 1 ? words[1] : NULL);
}

static void do_app_named(char **words, int n)
{
	run_app(words[1], n > 2 ? words[2] : NULL);
}

/* Through a leg's last state, the leg being the one that was called. */
static void do_leg_state(char **words, int n)
{
	(void) words; (void) n;
	standin.leg.cause = standin.leg.ends_with;
	printf("state %d\n", standin.handlers->on[10](&standin.leg));
}

static void do_app_no_session(char **words, int n)
{
	(void) words; (void) n;
	standin.app[0]->function(NULL, NULL);
	printf("app done\n");
}

static void do_hunt(char **words, int n)
{
	struct dialplan *dialplan = NAMED(standin.dialplan, n > 2 ? words[2] : NULL);
	if (!dialplan || !dialplan->hunt) {
		printf("no dialplan\n");
		return;
	}
	struct extension *found = dialplan->hunt(&standin.call, n > 1 ? words[1] : NULL, NULL);
	printf("extension %s\n", found ? found->text : "none");
	free(found);
}

static void do_state(char **words, int n)
{
	int at = n > 1 && !strcmp(words[1], "destroy") ? 11 : 10;
	if (!standin.handlers) {
		printf("no state handlers\n");
		return;
	}
	printf("state %d\n", standin.handlers->on[at](&standin.call));
}

static void do_runtime(char **words, int n)
{
	(void) words; (void) n;
	printf("runtime %d\n", module->runtime());
}

static void do_shutdown(char **words, int n)
{
	(void) words; (void) n;
	if (!standin.on_shutdown) {
		printf("no binding\n");
		return;
	}
	standin.on_shutdown(NULL);
	printf("told of shutdown\n");
}

void switch_xml_free(struct xml *root);
const char *switch_xml_error(struct xml *root);

/* lookup <section> <tag> <key> <value> [<name> <value>]…; - is NULL. */
static void do_lookup(char **words, int n)
{
	struct header headers[MAX_WORDS];
	struct event_head event = { 0 };
	const char *asked[4];
	if (!standin.lookup) {
		printf("not bound\n");
		return;
	}
	for (int i = 0; i < 4; i++) asked[i] = n > i + 1 && strcmp(words[i + 1], "-") ? words[i + 1] : NULL;
	for (int i = 5; i + 1 < n; i += 2) {
		headers[i] = (struct header) { .name = words[i], .value = words[i + 1], .next = event.headers };
		event.headers = &headers[i];
	}
	struct xml *root = standin.lookup(asked[0], asked[1], asked[2], asked[3], n > 5 ? &event : NULL, NULL);
	if (!root) {
		printf("tree none\n");
		return;
	}
	printf("tree %s\n", root->txt);
	switch_xml_free(root);
}

/* complete: the core leaves the place for the list as it was. */
static void do_complete(char **words, int n)
{
	(void) words; (void) n;
	char *matches = (char *) 1;
	if (standin.complete("fsx gateway ", "", &matches)) {
		printf("nothing to offer\n");
		return;
	}
	printf("offers%s\n", matches);
	free(matches);
}

static struct xml *add_node(struct xml *parent, const char *name)
{
	struct xml *node = calloc(1, sizeof(*node)), **end = &parent->child;
	static char *none[] = { NULL };
	node->name = strdup(name);
	node->attr = none;
	while (*end) end = &(*end)->ordered;
	return *end = node;
}

/* param <section> <name> <value> [<country>] */
static void param(char **words, int n)
{
	static struct xml root;
	struct xml *section = root.child;
	if (n < 4) standin_die("param wants section, name and value");
	standin.config = &root;
	while (section && strcmp(section->name, words[1])) section = section->ordered;
	if (!section) section = add_node(&root, words[1]);
	struct xml *node = add_node(section, "param");
	node->attr = calloc(8, sizeof(char *));
	node->attr[0] = "name";
	node->attr[1] = strdup(words[2]);
	node->attr[2] = "value";
	node->attr[3] = strdup(words[3]);
	if (n > 4) {
		node->attr[4] = "country";
		node->attr[5] = strdup(words[4]);
	}
}

static void new_call(char **words, int n)
{
	standin_hang_up(&standin.call);
	snprintf(standin.call.uuid, sizeof(standin.call.uuid), "%s", n > 1 ? words[1] : "");
	standin.outcomes_n = standin.next_outcome = 0;
}

static void outcome(char **words, int n)
{
	if (standin.outcomes_n == MAX_OUTCOMES) standin_die("too many outcomes");
	standin.outcomes[standin.outcomes_n++] = (struct outcome) {
		words[1][0], n > 2 ? atoi(words[2]) : 0, n > 3 ? atoi(words[3]) : 0
	};
}

static void obey(char **words, int n)
{
	const char *word = words[0];
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(standin.now_us, sizeof(standin.now_us), "%lld",
		(long long) now.tv_sec * 1000000 + now.tv_nsec / 1000);
	if (!strcmp(word, "param")) param(words, n);
	else if (!strcmp(word, "dial-waits")) standin.dial_waits = strdup(words[1]);
	else if (!strcmp(word, "mod-lcr")) standin.has_mod_lcr = 1;
	else if (!strcmp(word, "break-xml")) standin.xml_broken = 1;
	else if (!strcmp(word, "forget")) standin.config->child = NULL;
	else if (!strcmp(word, "load")) on_small_stack(do_load, words, n);
	else if (!strcmp(word, "api")) on_small_stack(do_api, words, n);
	else if (!strcmp(word, "api-session")) on_small_stack(do_api_session, words, n);
	else if (!strcmp(word, "api-bytes")) on_small_stack(do_api_bytes, words, n);
	else if (!strcmp(word, "api-no-stream")) on_small_stack(do_api_no_stream, words, n);
	else if (!strcmp(word, "call")) new_call(words, n);
	else if (!strcmp(word, "no-profile")) standin.call.no_profile = 1;
	else if (!strcmp(word, "set")) standin_set(&standin.call.vars, words[1], n > 2 ? words[2] : NULL);
	else if (!strcmp(word, "profile")) standin_set(&standin.call.profile, words[1], n > 2 ? words[2] : NULL);
	else if (!strcmp(word, "outcome")) outcome(words, n);
	else if (!strcmp(word, "app")) on_small_stack(do_app, words, n);
	else if (!strcmp(word, "api-named")) on_small_stack(do_api_named, words, n);
	else if (!strcmp(word, "app-named")) on_small_stack(do_app_named, words, n);
	else if (!strcmp(word, "leg-state")) on_small_stack(do_leg_state, words, n);
	else if (!strcmp(word, "app-no-session")) on_small_stack(do_app_no_session, words, n);
	else if (!strcmp(word, "complete")) on_small_stack(do_complete, words, n);
	else if (!strcmp(word, "lookup")) on_small_stack(do_lookup, words, n);
	else if (!strcmp(word, "hunt")) on_small_stack(do_hunt, words, n);
	else if (!strcmp(word, "state")) on_small_stack(do_state, words, n);
	else if (!strcmp(word, "runtime")) on_small_stack(do_runtime, words, n);
	else if (!strcmp(word, "shutdown")) on_small_stack(do_shutdown, words, n);
	else if (!strcmp(word, "get")) {
		const char *value = standin_get(&standin.call.vars, words[1]);
		printf("%s=%s\n", words[1], value ? value : "(unset)");
	} else standin_die(word);
	printf("done\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	if (argc != 2) {
		fprintf(stderr, "usage: standin <module>\n");
		return 2;
	}
	/* As switch_dso.c does: everything must resolve at once, and the names stay the module's own. */
	void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		fprintf(stderr, "standin: %s\n", dlerror());
		return 1;
	}
	module = dlsym(library, "mod_fsx_module_interface");
	if (!module || module->api_version != 5) {
		fprintf(stderr, "standin: no module\n");
		return 1;
	}
	while ((len = getline(&line, &room, stdin)) > 0) {
		char *words[MAX_WORDS], *rest = line, *word;
		int n = 0;
		if (line[len - 1] == '\n') line[len - 1] = 0;
		while (n < MAX_WORDS && (word = strsep(&rest, "\t"))) words[n++] = word;
		obey(words, n);
	}
	standin_hang_up(&standin.call);
	standin_hang_up(&standin.leg);
	free(line);
	printf("deepest %s stack %zu events %d held %d\n", deepest_at, deepest, standin.events, standin.config_held);
	return 0;
}

/*
 * A stand-in for FreeSWITCH: the functions that mod_fsx imports, as small as they can be.
 *
 * It shares no code with FreeSWITCH. Each function does what the module may rely on and no more; a
 * pointer that FreeSWITCH would not accept ends the program with a message, so that a test fails
 * loudly. main.c drives it by lines of text; unit tests link it to have the names.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "standin.h"

struct state standin;

void standin_die(const char *why)
{
	printf("standin: %s\n", why);
	fflush(stdout);
	abort();
}

#define NEED(pointer) do { if (!(pointer)) standin_die("NULL for " #pointer); } while (0)

static char *copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

static void vars_free(struct vars *vars)
{
	for (int i = 0; i < vars->n; i++) {
		free(vars->name[i]);
		free(vars->value[i]);
	}
	vars->n = 0;
}

void standin_hang_up(struct session *session)
{
	vars_free(&session->vars);
	vars_free(&session->profile);
	memset(session, 0, sizeof(*session));
}

static void vars_set(struct vars *vars, const char *name, const char *value)
{
	NEED(name);
	for (int i = 0; i < vars->n; i++) {
		if (!strcasecmp(vars->name[i], name)) {
			free(vars->value[i]);
			vars->value[i] = value && *value ? copy(value) : NULL;
			return;
		}
	}
	if (!value || !*value) return;
	if (vars->n == MAX_VARS) standin_die("too many variables");
	vars->name[vars->n] = copy(name);
	vars->value[vars->n++] = copy(value);
}

static const char *vars_get(const struct vars *vars, const char *name)
{
	NEED(name);
	for (int i = 0; i < vars->n; i++) {
		if (!strcasecmp(vars->name[i], name)) return vars->value[i];
	}
	return NULL;
}

void standin_set(struct vars *vars, const char *name, const char *value)
{
	vars_set(vars, name, value);
}

const char *standin_get(const struct vars *vars, const char *name)
{
	return vars_get(vars, name);
}

/* The core. */

const char *switch_core_get_hostname(void) { return "standin"; }
int64_t switch_micro_time_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
const char *switch_version_full(void) { return "0.0.0-standin"; }

void switch_log_printf(int channel, const char *file, const char *func, int line, const char *userdata,
	int level, const char *format, ...)
{
	va_list ap;
	(void) channel; (void) line;
	NEED(file); NEED(func); NEED(format);
	printf("log %d %s ", level, userdata ? userdata : "-");
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	fflush(stdout);
}

/* Registration. */

void *switch_loadable_module_create_module_interface(void *pool, const char *name)
{
	NEED(pool); NEED(name);
	return &standin;
}

void *switch_loadable_module_create_interface(void *module, int kind)
{
	if (module != &standin) standin_die("another module's interface");
	void *made = calloc(1, 128);
	for (int i = 0; i < MAX_INTERFACES; i++) {
		switch (kind) {
		case 2: if (!standin.dialplan[i]) return standin.dialplan[i] = made; break;
		case 4: if (!standin.app[i]) return standin.app[i] = made; break;
		case 5: if (!standin.api[i]) return standin.api[i] = made; break;
		default: standin_die("an interface of an unexpected kind");
		}
	}
	standin_die("too many interfaces");
	return NULL;
}

int switch_loadable_module_exists(const char *name)
{
	NEED(name);
	return standin.has_mod_lcr && !strcmp(name, "mod_lcr") ? 0 : 1;
}

int switch_core_add_state_handler(const struct state_handlers *table)
{
	NEED(table);
	standin.handlers = table;
	return 0;
}

int switch_console_set_complete(const char *line)
{
	NEED(line);
	standin.completions++;
	return 0;
}

int switch_name_event(const char *name, int *id)
{
	NEED(name); NEED(id);
	*id = 91;
	return strcmp(name, "SHUTDOWN") ? 1 : 0;
}

int switch_event_bind_removable(const char *id, int event, const char *subclass, void (*callback)(void *),
	void *user_data, void **node)
{
	(void) subclass; (void) user_data;
	NEED(id); NEED(callback); NEED(node);
	if (event != 91) standin_die("a binding to an unexpected event");
	standin.on_shutdown = callback;
	return 0;
}

/* Sessions and channels. A session is its own channel. */

struct session *switch_core_session_get_channel(struct session *session)
{
	NEED(session);
	return session;
}

const char *switch_core_session_get_uuid(struct session *session)
{
	NEED(session);
	return session->uuid;
}

void switch_core_session_rwunlock(struct session *session)
{
	NEED(session);
	if (session->locks-- <= 0) standin_die("unlocked more often than locked");
}

const char *switch_channel_get_variable_dup(struct session *channel, const char *name, int dup, int index)
{
	NEED(channel);
	if (!dup || index != -1) standin_die("a variable read without a copy");
	const char *value = vars_get(&channel->vars, name);
	return value ? value : vars_get(&channel->profile, name);
}

int switch_channel_get_variable_buf(struct session *channel, const char *name, char *buf, size_t len)
{
	const char *value = switch_channel_get_variable_dup(channel, name, 1, -1);
	if (!value) return 1;
	snprintf(buf, len, "%s", value);
	return 0;
}

int switch_channel_set_variable_var_check(struct session *channel, const char *name, const char *value, int check)
{
	NEED(channel);
	if (check && value && strstr(value, "${")) return 9;
	vars_set(&channel->vars, name, value);
	return 0;
}

void *switch_channel_get_caller_profile(struct session *channel)
{
	NEED(channel);
	return channel->no_profile ? NULL : &channel->profile;
}

const char *switch_caller_get_field_by_name(struct vars *profile, const char *name)
{
	NEED(profile);
	return vars_get(profile, name);
}

uint32_t switch_channel_test_flag(struct session *channel, int flag)
{
	NEED(channel);
	if (flag == 1) return (uint32_t) channel->answered;
	if (flag == 6) return (uint32_t) channel->transferring;
	standin_die("a channel flag that moved between releases");
	return 0;
}

int switch_channel_test_ready(struct session *channel, int check_ready, int check_media)
{
	NEED(channel);
	if (!check_ready || check_media) standin_die("another readiness than switch_channel_ready's");
	return !channel->cause && !channel->transferring;
}

int switch_channel_get_cause(struct session *channel)
{
	NEED(channel);
	return channel->cause;
}

static const struct { int number; const char *name; } causes[] = {
	{ 0, "NONE" }, { 1, "UNALLOCATED_NUMBER" }, { 3, "NO_ROUTE_DESTINATION" }, { 16, "NORMAL_CLEARING" },
	{ 17, "USER_BUSY" }, { 19, "NO_ANSWER" }, { 21, "CALL_REJECTED" }, { 27, "DESTINATION_OUT_OF_ORDER" },
	{ 28, "INVALID_NUMBER_FORMAT" }, { 34, "NORMAL_CIRCUIT_CONGESTION" }, { 41, "NORMAL_TEMPORARY_FAILURE" },
	{ 487, "ORIGINATOR_CANCEL" }, { 807, "PROGRESS_TIMEOUT" }, { 812, "GATEWAY_DOWN" },
};

const char *switch_channel_cause2str(int cause)
{
	for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++) {
		if (causes[i].number == cause) return causes[i].name;
	}
	return "UNKNOWN";
}

static int is_true(const char *value)
{
	return value && (!strcasecmp(value, "true") || atoi(value));
}

void switch_channel_handle_cause(struct session *channel, int cause)
{
	NEED(channel);
	if (vars_get(&channel->vars, "failure_causes")) standin_die("failure_causes is not played here");
	if (is_true(vars_get(&channel->vars, "continue_on_fail"))) return;
	if (cause == 19 || cause == 487) return;
	channel->cause = cause;
}

/* Dialplan. */

struct extension *switch_caller_extension_new(struct session *session, const char *name, const char *number)
{
	NEED(session); NEED(name); NEED(number);
	struct extension *made = calloc(1, sizeof(*made));
	snprintf(made->text, sizeof(made->text), "%s %s", name, number);
	return made;
}

void switch_caller_extension_add_application(struct session *session, struct extension *extension,
	const char *application, const char *data)
{
	NEED(session); NEED(extension); NEED(application); NEED(data);
	size_t len = strlen(extension->text);
	snprintf(extension->text + len, sizeof(extension->text) - len, "; %s(%s)", application, data);
}

/* Events. */

void switch_event_destroy(struct vars **event);

int switch_event_create_subclass_detailed(const char *file, const char *func, int line, struct vars **event,
	int id, const char *subclass)
{
	(void) line;
	NEED(file); NEED(func); NEED(event);
	if (id != 1 && id != 0) standin_die("an event whose id moved between releases");
	if ((id == 0) != !!subclass) standin_die("a custom event has a subclass, a bare one none");
	*event = calloc(1, sizeof(**event));
	if (subclass) vars_set(*event, "Event-Subclass", subclass);
	standin.events++;
	return 0;
}

int switch_event_fire_detailed(const char *file, const char *func, int line, struct vars **event, void *user_data)
{
	(void) line;
	NEED(file); NEED(func); NEED(event); NEED(*event);
	if (user_data || !vars_get(*event, "Event-Subclass")) standin_die("an event that nobody can receive");
	printf("event");
	for (int i = 0; i < (*event)->n; i++) printf(" %s=%s", (*event)->name[i], (*event)->value[i]);
	printf("\n");
	switch_event_destroy(event);
	return 0;
}

int switch_event_add_header_string(struct vars *event, int stack, const char *name, const char *value)
{
	NEED(event); NEED(value);
	if (stack != 1) standin_die("a stack that moved between releases");
	if (vars_get(event, name)) standin_die("a header twice");
	vars_set(event, name, value);
	return 0;
}

void switch_event_destroy(struct vars **event)
{
	NEED(event); NEED(*event);
	vars_free(*event);
	free(*event);
	*event = NULL;
	standin.events--;
}

/* Calling out: outcomes come from the script, one a call. */

int switch_ivr_originate(struct session *session, struct session **leg, int *cause, const char *dial_string,
	uint32_t time_limit_s, const void *table, const char *caller_name, const char *caller_number, void *profile,
	struct vars *variables, unsigned flags, int *cancel_cause, void *handle)
{
	NEED(session); NEED(leg); NEED(cause); NEED(dial_string); NEED(variables);
	if (table || caller_name || caller_number || profile || flags || cancel_cause || handle) {
		standin_die("an argument of originate that should be nothing");
	}
	printf("dial %s limit=%u", dial_string, time_limit_s);
	for (int i = 0; i < variables->n; i++) printf(" %s=%s", variables->name[i], variables->value[i]);
	printf("\n");
	if (standin.next_outcome == standin.outcomes_n) standin_die("no outcome is scripted for this attempt");
	/* A dial that waits for the test: until the file is there, ten seconds at most. */
	for (int i = 0; standin.dial_waits && access(standin.dial_waits, F_OK) && i < 10000; i++) usleep(1000);
	const struct outcome *outcome = &standin.outcomes[standin.next_outcome++];
	*leg = NULL;
	*cause = outcome->cause;
	char status[32];
	snprintf(status, sizeof(status), "sip:%d", outcome->sip);
	switch (outcome->kind) {
	case 'c': /* the caller gives up */
		session->cause = 487;
		return 1;
	case 't': /* the caller is transferred away */
		session->transferring = 1;
		return 1;
	case 'f': /* refused */
		if (outcome->sip) vars_set(&session->vars, "last_bridge_proto_specific_hangup_cause", status);
		return 1;
	default: break; /* answered, early media, or answered and then talking to somebody else */
	}
	struct session *made = &standin.leg;
	standin_hang_up(made);
	snprintf(made->uuid, sizeof(made->uuid), "leg-%d", standin.next_outcome);
	made->locks = 1;
	made->answered = outcome->kind == 'a' || outcome->kind == 'o';
	made->outlives = outcome->kind == 'o';
	made->ends_with = outcome->cause;
	if (outcome->sip) vars_set(&made->vars, "proto_specific_hangup_cause", status);
	/* It was dialled a second and a half ago, rang a quarter of a second ago, and is answered now. */
	const char *names[] = { "created_time", "progress_time", "answered_time" };
	const long long ago[] = { 1500000, 250000, 0 };
	for (int i = 0; i < (made->answered ? 3 : 2); i++) {
		char at[32];
		snprintf(at, sizeof(at), "%lld", atoll(standin.now_us) - ago[i]);
		vars_set(&made->profile, names[i], at);
	}
	*leg = made;
	*cause = 0;
	return 0;
}

int switch_ivr_multi_threaded_bridge(struct session *session, struct session *peer, const void *on_input,
	void *session_data, void *peer_data)
{
	NEED(session); NEED(peer);
	if (on_input || session_data || peer_data) standin_die("an input callback");
	printf("bridge %s %s\n", session->uuid, peer->uuid);
	if (!peer->outlives) peer->cause = peer->ends_with;
	if (peer->answered) {
		session->answered = 1;
		if (is_true(vars_get(&session->vars, "hangup_after_bridge"))) session->cause = peer->ends_with;
	} else {
		switch_channel_handle_cause(session, peer->cause);
	}
	return 0;
}

/* Configuration: one tree, made by the script. */

struct xml *switch_xml_open_cfg(const char *file, struct xml **node, void *params)
{
	NEED(file); NEED(node);
	if (params || strcmp(file, "fsx.conf")) standin_die("another configuration file");
	*node = standin.config;
	if (standin.config) standin.config_held++;
	return standin.config;
}

int switch_xml_reload(const char **error)
{
	NEED(error);
	return standin.xml_broken ? 9 : 0;
}

void switch_xml_free(struct xml *root)
{
	NEED(root);
	standin.config_held--;
	if (root == standin.config) return;
	free(root->txt);
	free(root);
}

/* Completions: a list of matches is a text. */

int switch_console_add_complete_func(const char *name, complete_fn function)
{
	NEED(name); NEED(function);
	if (strncmp(name, "::", 2)) standin_die("a completion that no line can name");
	standin.complete = function;
	return 0;
}

void switch_console_push_match(char **matches, const char *word)
{
	NEED(matches); NEED(word);
	size_t old = *matches ? strlen(*matches) : 0;
	*matches = realloc(*matches, old + strlen(word) + 2);
	sprintf(*matches + old, " %s", word);
}

/* Look-ups: a tree is its text. */

int switch_xml_bind_search_function_ret(lookup_fn function, unsigned sections, void *user_data, void **binding)
{
	NEED(function);
	if (sections != 7 || user_data || binding) standin_die("another binding than was expected");
	if (standin.lookup) standin_die("a search function bound twice");
	standin.lookup = function;
	return 0;
}

struct xml *switch_xml_parse_str_dynamic(char *text, int copy)
{
	NEED(text);
	if (!copy) standin_die("a text of Rust's would be freed by C");
	struct xml *root = calloc(1, sizeof(*root));
	root->txt = strdup(text);
	standin.config_held++;
	return root;
}

const char *switch_xml_error(struct xml *root)
{
	NEED(root);
	return strstr(root->txt, "trips-the-parser") ? "tripped" : "";
}

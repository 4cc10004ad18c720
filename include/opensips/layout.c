/*
 * What the module believes of OpenSIPS' structures, checked by a compiler that sees the true headers.
 *
 * Rust declares these types by hand (opensips-module/src/sys) and lays tables out by release
 * (opensips-module/src/release.rs). Compiled against a release's source tree, this file fails where
 * one of those beliefs is wrong. It produces nothing; see build.rs for when it runs.
 *
 * The headers do not know their release: it is given as -DFSX_RELEASE=30608 for 3.6.8. Without it only
 * what is the same everywhere is checked.
 */
#include <stddef.h>

/* The build system defines these on the command line; none changes a layout that we touch. */
#ifndef NAME
#define NAME "opensips"
#define VERSION "0"
#define ARCH "x"
#define OS_QUOTED "x"
#endif
#ifndef VERSIONTYPE
#define VERSIONTYPE "x"
#define THISREVISION "x"
#endif
#ifndef MOD_NAME
#define MOD_NAME fsx
#endif
#if !defined(__CPU_x86_64) && defined(__x86_64__)
#define __CPU_x86_64
#endif
#define __OS_linux
#define __SMP_yes
#define STATISTICS
#define PKG_MALLOC
#define F_MALLOC
#define FAST_LOCK
#define HAVE_GETHOSTBYNAME2
#define HAVE_UNION_SEMUN
#define HAVE_MSG_NOSIGNAL
#define HAVE_MSGHDR_MSG_CONTROL
#define HAVE_ALLOCA_H
#define HAVE_TIMEGM
#define HAVE_EPOLL
#define HAVE_SELECT
#define USE_TCP

#include "sr_module.h"
#include "pvar.h"
#include "statistics.h"
#include "ipc.h"
#include "mi/mi.h"

#define SAME(a, b) _Static_assert((a) == (b), #a " is not " #b)

SAME(sizeof(str), 16);
SAME(sizeof(pv_value_t), 24);
SAME(offsetof(pv_value_t, ri), 16);
SAME(offsetof(pv_value_t, flags), 20);
SAME(PV_VAL_NULL, 1);
SAME(PV_VAL_STR, 4);
SAME(PV_VAL_INT, 8);
SAME(PV_TYPE_INT, 16);
_Static_assert(sizeof(pv_spec_t) <= 448, "pv_spec_t outgrew the buffer reserved for it");

SAME(sizeof(struct cmd_param), 24);
SAME(sizeof(cmd_export_t), 240);
SAME(offsetof(cmd_export_t, params), 16);
SAME(offsetof(cmd_export_t, flags), 232);
SAME(CMD_PARAM_INT, 1);
SAME(CMD_PARAM_STR, 2);
SAME(CMD_PARAM_OPT, 16);
SAME(REQUEST_ROUTE, 1);
SAME(FAILURE_ROUTE, 2);
SAME(BRANCH_ROUTE, 8);
SAME(LOCAL_ROUTE, 32);
SAME(STARTUP_ROUTE, 64);
SAME(TIMER_ROUTE, 128);
SAME(EVENT_ROUTE, 256);

SAME(sizeof(struct param_export_), 24);
SAME(STR_PARAM, 1U);
SAME(INT_PARAM, 2U);
SAME(USE_FUNC_PARAM, 1U << 31);

SAME(sizeof(stat_export_t), 24);
SAME(offsetof(stat_export_t, stat_pointer), 16);
SAME(STAT_IS_FUNC, 8);

SAME(sizeof(pv_export_t), 72);
SAME(offsetof(pv_export_t, getf), 24);
SAME(offsetof(pv_export_t, parse_name), 40);
SAME(offsetof(pv_export_t, iparam), 64);

SAME(sizeof(proc_export_t), 40);
SAME(offsetof(proc_export_t, function), 24);
SAME(offsetof(proc_export_t, no), 32);

SAME(MOD_TYPE_DEFAULT, 1);
SAME(offsetof(mi_export_t, recipes), 32);
SAME(offsetof(mi_recipe_t, params), 8);

/* The tail of module_exports, counted from dlflags, is the same everywhere. */
#define AFTER(member) (offsetof(struct module_exports, member) - offsetof(struct module_exports, dlflags))
SAME(AFTER(cmds), 3 * 8);
SAME(AFTER(params), 5 * 8);
SAME(AFTER(stats), 6 * 8);
SAME(AFTER(mi_cmds), 7 * 8);
SAME(AFTER(items), 8 * 8);
SAME(AFTER(procs), 10 * 8);
SAME(AFTER(init_f), 12 * 8);
SAME(AFTER(init_child_f), 15 * 8);
SAME(AFTER(reload_ack_f), 16 * 8);

#ifdef FSX_RELEASE
#if FSX_RELEASE < 30400
SAME(offsetof(struct module_exports, version), 16);
SAME(offsetof(struct module_exports, compile_flags), 24);
SAME(offsetof(struct module_exports, dlflags), 32);
SAME(sizeof(struct module_exports), 168);
SAME(sizeof(mi_recipe_t), 88);
SAME(sizeof(mi_export_t), 1000);
#else
SAME(offsetof(struct module_exports, ver_info), 16);
SAME(offsetof(struct module_exports, ver_info.compile_flags), 24);
SAME(offsetof(struct module_exports, ver_info.scm), 32);
SAME(offsetof(struct module_exports, dlflags), 48);
SAME(sizeof(struct module_exports), 184);
#if FSX_RELEASE < 40000
SAME(sizeof(mi_recipe_t), 88);
SAME(sizeof(mi_export_t), 4256);
#else
SAME(sizeof(mi_recipe_t), 168);
SAME(sizeof(mi_export_t), 8128);
SAME(offsetof(mi_export_t, aliases), 32 + 48 * 168);
#endif
#endif
#endif

/* Functions that the module finds by name and calls with these signatures. */
#define TYPE_OF(function, type) \
	_Static_assert(__builtin_types_compatible_p(__typeof__(&function), type), #function)
TYPE_OF(pv_parse_spec, char *(*)(const str *, const pv_spec_p));
TYPE_OF(pv_parse_format, int (*)(const str *, pv_elem_p *));
TYPE_OF(pv_printf_s, int (*)(struct sip_msg *, pv_elem_p, str *));
TYPE_OF(pv_get_spec_value, int (*)(struct sip_msg *, const pv_spec_p, pv_value_t *));
TYPE_OF(pv_set_value, int (*)(struct sip_msg *, pv_spec_p, int, pv_value_t *));
TYPE_OF(pv_get_null, int (*)(struct sip_msg *, pv_param_t *, pv_value_t *));
TYPE_OF(pv_get_spec_name, int (*)(struct sip_msg *, pv_param_p, pv_value_t *));
TYPE_OF(pv_init_iname, int (*)(pv_spec_p, int));
TYPE_OF(set_ruri, int (*)(struct sip_msg *, str *));
TYPE_OF(ipc_send_rpc, int (*)(int, ipc_rpc_f *, void *));
TYPE_OF(init_mi_result_object, mi_response_t *(*)(mi_item_t **));
TYPE_OF(init_mi_error_extra, mi_response_t *(*)(int, const char *, int, const char *, int));
TYPE_OF(add_mi_array, mi_item_t *(*)(mi_item_t *, char *, int));
TYPE_OF(add_mi_object, mi_item_t *(*)(mi_item_t *, char *, int));
TYPE_OF(add_mi_string, int (*)(mi_item_t *, char *, int, const char *, int));
TYPE_OF(add_mi_number, int (*)(mi_item_t *, char *, int, double));
TYPE_OF(add_mi_bool, int (*)(mi_item_t *, char *, int, int));
TYPE_OF(add_mi_null, int (*)(mi_item_t *, char *, int));
TYPE_OF(try_get_mi_string_param, int (*)(const mi_params_t *, char *, char **, int *));
#if defined(FSX_RELEASE) && FSX_RELEASE < 30400
TYPE_OF(dprint, void (*)(char *, ...));
#elif defined(FSX_RELEASE)
#include "dprint.h"
_Static_assert(
	__builtin_types_compatible_p(__typeof__(&dprint),
		void (*)(int, int, const char *, const char *, char *, char *, char *, ...)) ||
	__builtin_types_compatible_p(__typeof__(&dprint),
		void (*)(int, int, char *, const char *, char *, char *, char *, ...)), "dprint");
#endif

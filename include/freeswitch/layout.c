/*
 * What mod_fsx declares of FreeSWITCH (fs-module/src/sys), checked against the true headers.
 *
 * Compiled by build.rs where the headers are installed; it makes no code that is used. Every
 * number here stands in fs-module/src/sys/types.rs too: change both.
 */
#include <stddef.h>
#include <switch.h>

#define SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), "size of " #type)
#define AT(type, field, bytes) \
	_Static_assert(offsetof(type, field) == (bytes), "offset of " #type "." #field)
#define IS(name, number) _Static_assert((int) (name) == (number), "value of " #name)

typedef switch_loadable_module_function_table_t function_table;
SIZE(function_table, 40);
AT(function_table, switch_api_version, 0);
AT(function_table, load, 8);
AT(function_table, shutdown, 16);
AT(function_table, runtime, 24);
AT(function_table, flags, 32);

AT(switch_api_interface_t, interface_name, 0);
AT(switch_api_interface_t, desc, 8);
AT(switch_api_interface_t, function, 16);
AT(switch_api_interface_t, syntax, 24);

AT(switch_application_interface_t, interface_name, 0);
AT(switch_application_interface_t, application_function, 8);
AT(switch_application_interface_t, long_desc, 16);
AT(switch_application_interface_t, short_desc, 24);
AT(switch_application_interface_t, syntax, 32);
AT(switch_application_interface_t, flags, 40);

AT(switch_dialplan_interface_t, interface_name, 0);
AT(switch_dialplan_interface_t, hunt_function, 8);

AT(switch_stream_handle_t, raw_write_function, 16);

SIZE(switch_state_handler_table_t, 184);
AT(switch_state_handler_table_t, on_hangup, 24);
AT(switch_state_handler_table_t, on_reporting, 80);
AT(switch_state_handler_table_t, on_destroy, 88);
AT(switch_state_handler_table_t, flags, 96);
AT(switch_state_handler_table_t, padding, 104);

AT(struct switch_xml, name, 0);
AT(struct switch_xml, attr, 8);
AT(struct switch_xml, txt, 16);
AT(struct switch_xml, next, 40);
AT(struct switch_xml, sibling, 48);
AT(struct switch_xml, ordered, 56);
AT(struct switch_xml, child, 64);

AT(switch_event_t, headers, 24);
SIZE(switch_event_header_t, 48);
AT(switch_event_header_t, name, 0);
AT(switch_event_header_t, value, 8);
AT(switch_event_header_t, next, 40);

IS(SWITCH_XML_SECTION_CONFIG | SWITCH_XML_SECTION_DIRECTORY | SWITCH_XML_SECTION_DIALPLAN, 7);
IS(SWITCH_API_VERSION, 5);
IS(SWITCH_STATUS_SUCCESS, 0);
IS(SWITCH_STATUS_FALSE, 1);
IS(SWITCH_STATUS_NOUNLOAD, 16);
IS(SWITCH_STATUS_TERM, 21);
IS(SWITCH_DIALPLAN_INTERFACE, 2);
IS(SWITCH_APPLICATION_INTERFACE, 4);
IS(SWITCH_API_INTERFACE, 5);
IS(SAF_SUPPORT_NOMEDIA, 1);
IS(SAF_ROUTING_EXEC, 2);
IS(SWITCH_CHANNEL_ID_LOG, 0);
IS(SWITCH_STACK_BOTTOM, 1);
IS(SWITCH_EVENT_CUSTOM, 0);
IS(SWITCH_EVENT_CLONE, 1);
IS(CF_ANSWERED, 1);
IS(CF_TRANSFER, 6);
IS(SOF_NONE, 0);
IS(SWITCH_LOG_CRIT, 2);
IS(SWITCH_LOG_ERROR, 3);
IS(SWITCH_LOG_WARNING, 4);
IS(SWITCH_LOG_NOTICE, 5);
IS(SWITCH_LOG_INFO, 6);
IS(SWITCH_LOG_DEBUG, 7);
IS(SWITCH_CAUSE_USER_BUSY, 17);
IS(SWITCH_CAUSE_ORIGINATOR_CANCEL, 487);

/* Signatures: each pointer has the shape that sys/functions.rs declares. */
typedef switch_core_session_t session;
typedef switch_channel_t channel;

#define HAS(name, result, ...) result (*const has_##name)(__VA_ARGS__) = name

HAS(switch_loadable_module_create_module_interface, switch_loadable_module_interface_t *, switch_memory_pool_t *, const char *);
HAS(switch_loadable_module_create_interface, void *, switch_loadable_module_interface_t *, switch_module_interface_name_t);
HAS(switch_loadable_module_exists, switch_status_t, const char *);
HAS(switch_core_add_state_handler, int, const switch_state_handler_table_t *);
HAS(switch_console_set_complete, switch_status_t, const char *);
HAS(switch_console_add_complete_func, switch_status_t, const char *, switch_console_complete_callback_t);
HAS(switch_console_push_match, void, switch_console_callback_match_t **, const char *);
HAS(switch_event_bind_removable, switch_status_t, const char *, switch_event_types_t, const char *, switch_event_callback_t, void *, switch_event_node_t **);
HAS(switch_log_printf, void, switch_text_channel_t, const char *, const char *, int, const char *, switch_log_level_t, const char *, ...);
HAS(switch_core_get_hostname, const char *, void);
HAS(switch_micro_time_now, switch_time_t, void);
HAS(switch_version_full, const char *, void);
HAS(switch_core_session_get_channel, channel *, session *);
HAS(switch_core_session_get_uuid, char *, session *);
HAS(switch_core_session_rwunlock, void, session *);
HAS(switch_channel_get_variable_dup, const char *, channel *, const char *, switch_bool_t, int);
HAS(switch_channel_set_variable_var_check, switch_status_t, channel *, const char *, const char *, switch_bool_t);
HAS(switch_channel_get_caller_profile, switch_caller_profile_t *, channel *);
HAS(switch_caller_get_field_by_name, const char *, switch_caller_profile_t *, const char *);
HAS(switch_channel_test_flag, uint32_t, channel *, switch_channel_flag_t);
HAS(switch_channel_test_ready, int, channel *, switch_bool_t, switch_bool_t);
HAS(switch_channel_get_cause, switch_call_cause_t, channel *);
HAS(switch_channel_cause2str, const char *, switch_call_cause_t);
HAS(switch_channel_handle_cause, void, channel *, switch_call_cause_t);
HAS(switch_caller_extension_new, switch_caller_extension_t *, session *, const char *, const char *);
HAS(switch_caller_extension_add_application, void, session *, switch_caller_extension_t *, const char *, const char *);
HAS(switch_ivr_originate, switch_status_t, session *, session **, switch_call_cause_t *, const char *, uint32_t, const switch_state_handler_table_t *, const char *, const char *, switch_caller_profile_t *, switch_event_t *, switch_originate_flag_t, switch_call_cause_t *, switch_dial_handle_t *);
HAS(switch_ivr_multi_threaded_bridge, switch_status_t, session *, session *, switch_input_callback_function_t, void *, void *);
HAS(switch_event_create_subclass_detailed, switch_status_t, const char *, const char *, int, switch_event_t **, switch_event_types_t, const char *);
HAS(switch_event_add_header_string, switch_status_t, switch_event_t *, switch_stack_t, const char *, const char *);
HAS(switch_event_fire_detailed, switch_status_t, const char *, const char *, int, switch_event_t **, void *);
HAS(switch_event_destroy, void, switch_event_t **);
HAS(switch_name_event, switch_status_t, const char *, switch_event_types_t *);
HAS(switch_xml_open_cfg, switch_xml_t, const char *, switch_xml_t *, switch_event_t *);
HAS(switch_xml_reload, switch_status_t, const char **);
HAS(switch_xml_free, void, switch_xml_t);
HAS(switch_xml_bind_search_function_ret, switch_status_t, switch_xml_search_function_t, switch_xml_section_t, void *, switch_xml_binding_t **);
HAS(switch_xml_parse_str_dynamic, switch_xml_t, char *, switch_bool_t);
HAS(switch_xml_error, const char *, switch_xml_t);

/* The widths behind the enums: C passes them as int, Rust declares c_int. */
SIZE(switch_status_t, 4);
SIZE(switch_bool_t, 4);
SIZE(switch_call_cause_t, 4);
SIZE(switch_channel_flag_t, 4);
SIZE(switch_event_types_t, 4);
SIZE(switch_stack_t, 4);
SIZE(switch_text_channel_t, 4);
SIZE(switch_log_level_t, 4);

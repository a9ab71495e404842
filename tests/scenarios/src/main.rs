//! Scenarios: real binaries, real servers, one fact per module. `cargo local test` starts the stack and runs them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "tests: a broken expectation panics"
)]

mod api_examples_work;
mod api_is_what_it_says;
mod api_launches_at_a_time_and_stops;
mod api_opens_nothing_to_whom_it_does_not_concern;
mod api_repeats_nothing;
mod api_shows_and_changes_what_belongs_to_it;
mod bad_file_ends_in_invalids;
mod broken_uploads_go_on;
mod clients_of_the_world_work;
mod complete_upload_is_not_hidden_by_its_row;
mod control_file_asks_once;
mod copies_are_of_whole_files;
mod customer_sees_four_folders;
mod domains_are_checked_where_the_profile_wants_it;
mod empty_control_file_is_explained_by_the_files_name;
mod event_delivered_twice_imports_once;
mod every_bounce_becomes_one_response;
mod every_form_of_csv_is_read;
mod every_open_has_its_answer;
mod everything_is_deleted_on_time;
mod export_never_skips_a_late_commit;
mod failed_completion_loses_nothing;
mod happy_path_by_api;
mod happy_path_by_control_file;
mod import_that_dies_every_time_is_given_up;
mod import_waits_for_the_whole_file;
mod killed_import_is_whole_or_nothing;
mod killed_launch_loses_and_doubles_nothing;
mod launch_cancelled_in_a_race_leaves_nothing_open;
mod launch_is_spread_and_leaves_room;
mod launch_starts_at_its_time;
mod launch_stops_where_it_stands;
mod layering;
mod letters_beyond_ascii_reach_their_recipient;
mod login_takes_what_the_account_demands;
mod long_folder_is_listed_page_by_page;
mod nonsense_ends_its_own_session_alone;
mod overwritten_file_is_a_new_file;
mod pgp_in_and_out;
mod pgp_keys_rotate;
mod poison_message_reaches_the_dead_letter_queue_alone;
mod progress_is_seen_while_rows_are_read;
mod quick_start_works_as_it_is_written;
mod rejected_rows_are_told_to_those_who_read_exports;
mod removed_key_ends_its_sessions;
mod same_list_twice_is_refused;
mod scp_copies_both_ways;
mod scp_stores_whole_files_alone;
mod sender_domains_tell_what_their_dns_lacks;
mod session_policy_opens_one_tenant_alone;
mod sessions_race_for_a_name;
mod sftp_of_openssh_does_what_a_customer_types;
mod sftp_version_three_is_whole;
mod ssh_audit_finds_nothing_to_fail;
mod ssh_offers_sftp_alone;
mod table_of_no_import_is_dropped;
mod ten_imports_of_ten_tenants_at_once;
mod tenant_cannot_reach_another_tenants_files;
mod tenant_cannot_read_another_tenants_schema;
mod two_host_keys_are_served_at_once;
mod unfinished_uploads_are_limited;
mod upload_outlives_its_credentials;
mod webhooks;
mod webhooks_are_forgotten_after_a_week;
mod webhooks_are_made_over_the_api;
mod webhooks_are_tried_until_they_are_taken;
mod webhooks_are_verified_by_the_lines_of_their_page;
mod webhooks_go_to_public_addresses_alone;
mod webhooks_outlive_a_killed_attempt;
mod webhooks_tell_how_work_ended;

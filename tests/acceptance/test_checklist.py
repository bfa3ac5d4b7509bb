"""What a client must handle, point by point, and the test that proves each.

The points are the checklist of how OpenAI-compatible image gateways behave in the
world, collected from their documentation, sources and users.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

PROOFS = (
    (
        1,
        "an intent is on disk before the POST, its outcome after",
        "integration/test_worker.py",
        "test_nothing_is_sent_or_fetched_that_the_ledger_does_not_know",
    ),
    (
        2,
        "not executed, permanent and ambiguous are told apart",
        "integration/test_worker.py",
        "test_what_may_have_been_billed_is_summed_once",
    ),
    (
        3,
        "a time limit of 360 s, 600 s for large ones",
        "unit/test_terms.py",
        "test_an_attempt_has_as_long_as_its_size_takes",
    ),
    (
        4,
        "Ctrl-C once drains, twice aborts and marks unknown",
        "acceptance/test_resume.py",
        "test_the_second_signal_cancels_and_marks_unknown",
    ),
    (
        5,
        "the body decides before the status",
        "unit/transport/test_failure.py",
        "test_a_recorded_answer_has_its_class",
    ),
    (
        6,
        "code, then patterns, then status, in every shape",
        "unit/transport/test_failure.py",
        "test_every_row_of_the_table_is_reached_by_a_recorded_answer",
    ),
    (
        7,
        "what is final is never tried again, whatever its status",
        "integration/test_worker.py",
        "test_what_the_gateway_will_not_make_is_rejected_at_once",
    ),
    (
        8,
        "key and money stop the run, the rest stays pending",
        "acceptance/test_command.py",
        "test_the_exit_code_says_how_it_ended",
    ),
    (
        9,
        "repeated outages open a breaker",
        "unit/governor/test_governor.py",
        "test_one_probe_leaves_and_its_success_ends_the_pause",
    ),
    (
        10,
        "one pace for all keys of an account, found and held",
        "unit/governor/test_governor.py",
        "test_an_unknown_limit_is_found_and_kept_to",
    ),
    (
        11,
        "waits and attempts end; x-should-retry is obeyed",
        "unit/test_retry.py",
        "test_the_gateway_may_say_that_trying_again_is_of_no_use",
    ),
    (
        12,
        "the gateway's own request id is recorded",
        "unit/transport/test_hint.py",
        "test_the_gateways_own_id_comes_first_and_can_be_shown",
    ),
    (
        13,
        "fewer images than asked are kept, the shortfall named",
        "unit/test_mismatch.py",
        "test_fewer_images_than_asked_are_named",
    ),
    (
        14,
        "every carrier of an image is read",
        "unit/transport/test_parser.py",
        "test_the_streamed_parser_equals_the_plain_one",
    ),
    (
        15,
        "a failed download is fetched again, never bought again",
        "integration/test_worker.py",
        "test_a_failed_download_is_fetched_again_and_not_bought_again",
    ),
    (
        16,
        "bytes are sniffed and must be whole",
        "unit/test_images.py",
        "test_a_cut_is_noticed_wherever_it_falls",
    ),
    (
        17,
        "pixels, quality and tokens are compared with what was asked",
        "unit/test_mismatch.py",
        "test_a_cheaper_drawing_is_noticed",
    ),
    (
        18,
        "labels become pixels; odd sizes are warned about",
        "unit/test_sizes.py",
        "test_every_documented_label_becomes_its_pixels",
    ),
    (
        19,
        "what was not set is not sent; response_format may be dropped",
        "acceptance/test_wire.py",
        "test_only_what_was_set_is_sent",
    ),
    (
        20,
        "references as path, Base64, data: URI, URL or a list",
        "unit/manifest/test_reference.py",
        "test_a_list_keeps_its_order",
    ),
    (
        21,
        "a free preflight for model and balance",
        "acceptance/test_night.py",
        "test_check_asks_the_gateway_and_sends_nothing",
    ),
    (
        22,
        "a budget that cannot be passed, the ambiguous counted",
        "integration/test_runner.py",
        "test_a_budget_is_never_passed_at_any_concurrency",
    ),
    (
        23,
        "identical jobs are bought once; ids are of the content",
        "integration/test_runner.py",
        "test_a_row_that_is_there_twice_is_bought_once",
    ),
    (
        24,
        "an append-only ledger with a line per attempt and result",
        "integration/test_runner.py",
        "test_a_run_leaves_images_and_their_ledger_and_nothing_else",
    ),
    (
        25,
        "failures at one constant time name the proxy limit",
        "unit/test_cutoff.py",
        "test_failures_at_one_time_name_the_limit",
    ),
    (
        26,
        "memory does not grow with an image",
        "unit/transport/test_parser.py",
        "test_what_is_held_does_not_grow_with_the_image",
    ),
    (
        27,
        "the key is nowhere but in its header, at its host",
        "integration/test_transport_http.py",
        "test_the_key_does_not_follow_a_redirect",
    ),
    (
        28,
        "prompts are never rewritten; revised ones are kept",
        "acceptance/test_wire.py",
        "test_a_refused_prompt_is_not_rewritten",
    ),
    (
        29,
        "a stale connection is not mistaken for a lost request",
        "integration/test_transport_http.py",
        "test_a_connection_the_server_closed_is_not_used_again",
    ),
    (
        30,
        "progress is live, and images can be used meanwhile",
        "acceptance/test_night.py",
        "test_a_running_night_is_paused_slowed_and_stopped",
    ),
)


@cache
def names_in(path: str) -> frozenset[str]:
    """List the tests of a file."""
    tree = ast.parse((TESTS / path).read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


def test_every_point_is_there_once() -> None:
    assert [number for number, *_ in PROOFS] == list(range(1, 31))


@pytest.mark.parametrize(
    ("path", "name"),
    [(path, name) for _, _, path, name in PROOFS],
    ids=[f"{number} {words}" for number, words, *_ in PROOFS],
)
def test_each_point_has_a_test_that_proves_it(path: str, name: str) -> None:
    assert name in names_in(path)

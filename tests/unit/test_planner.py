from __future__ import annotations

import asyncio
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.choice import RETRY_WORDS, Choice, Kind, kind_of, was_bought
from batcher.count import Count
from batcher.ledger import ReplyLine, Standing, Standings, State
from batcher.models import Request
from batcher.plan import Plan
from batcher.planner import MOST_GROUPS, MOST_SHAPES, Planner, key_of
from batcher.pricing import Price, quote

REPLY = ReplyLine(attempt=1, urls=("http://127.0.0.1/a",))
DEFAULT = Choice.of((), retry_unknown=True)
CAREFUL = Choice.of((), retry_unknown=False)
PRICES = (Price(model="gpt-image-2-pro", usd=Decimal("0.5")),)
LINES = {
    "new": b"",
    "done": b'{"event":"result","id":"%s","status":"succeeded"}',
    "failed": b'{"event":"result","id":"%s","status":"failed"}',
    "rejected": b'{"event":"result","id":"%s","status":"rejected"}',
    "unknown": b'{"event":"attempt","id":"%s","attempt":1}',
}


def request(number: int, *, name: str = "", **body: object) -> Request:
    fields = {"model": "gpt-image-2-pro", "prompt": "a fox", **body}
    return Request(
        id=f"{number:020x}",
        name=name or f"fox {number}",
        body=fields,
        vars={},
        output=f"fox-{number}",
        origin="m.yaml:1",
    )


def ledger(*kinds: str) -> Standings:
    """Make a ledger whose request number i stands as the i-th word says."""
    standings = Standings()
    for number, kind in enumerate(kinds):
        if LINES[kind]:
            standings.take(LINES[kind] % f"{number:020x}".encode())
    return standings


def planned(
    *requests: Request,
    standings: Standings | None = None,
    choice: Choice = DEFAULT,
    prices: tuple[Price, ...] = (),
) -> Plan:
    survey = Planner(standings or Standings(), choice, prices)
    for each in requests:
        if survey.add(each):
            survey.choose(each)
    return survey.finish()


@pytest.mark.parametrize(
    ("standing", "choice", "sends"),
    [
        (None, DEFAULT, True),
        (Standing(state=State.PENDING), CAREFUL, True),
        (Standing(state=State.LOST), CAREFUL, True),
        (Standing(state=State.SUCCEEDED), DEFAULT, False),
        (Standing(state=State.REJECTED), DEFAULT, False),
        (Standing(state=State.FAILED, error_class="server"), CAREFUL, True),
        (Standing(state=State.FAILED, error_class="ambiguous"), DEFAULT, True),
        (Standing(state=State.FAILED, error_class="ambiguous"), CAREFUL, False),
        (Standing(state=State.UNKNOWN), DEFAULT, True),
        (Standing(state=State.UNKNOWN), CAREFUL, False),
        (Standing(state=State.REPLIED, reply=REPLY), CAREFUL, True),
        (Standing(state=State.UNKNOWN, reply=REPLY), CAREFUL, True),
        (
            Standing(state=State.FAILED, error_class="download", reply=REPLY),
            CAREFUL,
            True,
        ),
        (Standing(state=State.FAILED, error_class="download"), DEFAULT, False),
    ],
)
def test_without_words_what_may_yet_succeed_is_worked_on(
    standing: Standing | None, choice: Choice, *, sends: bool
) -> None:
    assert choice.sends(standing) is sends


def test_a_lost_url_is_bought_anew_only_when_the_user_says_so() -> None:
    lost = Standing(state=State.FAILED, error_class="download")
    assert Choice.of((), retry_unknown=True, buy_lost_urls=True).sends(lost)


@pytest.mark.parametrize("word", sorted(RETRY_WORDS))
def test_a_word_of_retry_chooses_exactly_its_kinds(word: str) -> None:
    choice = Choice.of((word,), retry_unknown=False)
    chosen = {
        kind
        for kind, state in {
            Kind.FAILED: State.FAILED,
            Kind.REJECTED: State.REJECTED,
            Kind.UNKNOWN: State.UNKNOWN,
        }.items()
        if choice.sends(Standing(state=state))
    }
    assert chosen == RETRY_WORDS[word]
    assert choice.sends(None)
    assert not choice.sends(Standing(state=State.SUCCEEDED))


def test_to_ask_for_the_unknown_is_to_retry_them() -> None:
    assert Choice.of(("unknown",), retry_unknown=False).retry_unknown
    assert not Choice.of(("failed",), retry_unknown=False).retry_unknown


@given(st.lists(st.sampled_from(sorted(LINES)), max_size=20))
def test_the_words_of_a_plan_are_disjoint_and_sum_to_its_total(
    kinds: list[str],
) -> None:
    requests = [request(number) for number in range(len(kinds))]
    plan = planned(*requests, standings=ledger(*kinds))
    counted = {word: getattr(plan, word) for word in LINES}
    assert counted == {word: kinds.count(word) for word in LINES}
    assert plan.total == sum(counted.values()) == len(kinds)
    assert plan.to_send == len(kinds) - kinds.count("done") - kinds.count("rejected")


def test_what_is_unknown_is_priced_apart_from_the_rest_of_the_ledger() -> None:
    standings = Standings()
    attempt = b'{"event":"attempt","id":"%s","attempt":1,"reserved_usd":0.5}'
    for number in range(3):
        standings.take(attempt % f"{number:020x}".encode())
    reply = b'{"event":"reply","id":"%s","attempt":1,"urls":["http://127.0.0.1/a"]}'
    standings.take(reply % f"{2:020x}".encode())
    plan = planned(request(0), request(2, n=2), request(3), standings=standings)
    assert (plan.unknown, plan.unknown_usd, plan.fetched) == (2, Decimal("0.5"), 2)
    assert planned(request(3), standings=standings).unknown_usd is None


def test_lost_ones_are_among_the_new_and_told_with_their_price() -> None:
    standings = Standings(holds=lambda _: False)
    line = b'{"event":"result","id":"%s","status":"succeeded","images":[%s]}'
    image = b'{"path":"a.png","bytes":1}'
    for number, images in enumerate((image, image, b"")):
        standings.take(line % (f"{number:020x}".encode(), images))
    requests = [request(0), request(1, n=3), request(2), request(3)]
    plan = planned(*requests, standings=standings, prices=PRICES)
    assert (plan.new, plan.done, plan.lost) == (3, 1, 2)
    assert (plan.lost_usd, plan.estimated_usd) == (Decimal(2), Decimal("2.5"))
    assert plan.total == plan.new + plan.done


@st.composite
def _endings(draw: st.DrawFn) -> Standing | None:
    state: State | None = draw(st.sampled_from([None, *State]))
    if state is None:
        return None
    classes: dict[State, list[str | None]] = {
        State.FAILED: ["server", "ambiguous", "download", "bad_reply"],
        State.REJECTED: ["moderation", "invalid"],
        State.UNKNOWN: ["ambiguous", None],
    }
    error = draw(st.sampled_from(classes.get(state, [None])))
    has_reply = state is State.REPLIED or error == "download"
    reply = REPLY if has_reply else None
    return Standing(state=state, error_class=error, reply=reply)


@given(
    st.lists(_endings(), max_size=8),
    st.lists(st.sampled_from(sorted(RETRY_WORDS)), max_size=3),
    st.booleans(),
)
def test_there_is_work_exactly_where_some_request_would_be_sent(
    standings: list[Standing | None], words: list[str], retry_unknown: bool
) -> None:
    choice = Choice.of(tuple(words), retry_unknown=retry_unknown)
    count = Count()
    for standing in standings:
        count.move(None, standing)
    # Only a run that was stopped leaves a reply that was not fetched.
    is_stopped = any(s is not None and s.state is State.REPLIED for s in standings)
    stopped = {"class": "interrupted", "message": "by hand"} if is_stopped else None
    summary = count.summary(Standings(), total=len(standings), out="o", stopped=stopped)
    assert choice.finds_work(summary) is any(map(choice.sends, standings))


def test_a_row_that_repeats_another_is_bought_once() -> None:
    plan = planned(request(1), request(1), request(2), request(1))
    assert (plan.total, plan.duplicates, plan.to_send) == (2, 2, 2)
    assert plan.warnings["duplicate"] == 2


def test_images_are_those_that_will_be_asked_for() -> None:
    requests = (request(0, n=4), request(1, n=3), request(2))
    plan = planned(*requests, standings=ledger("done"))
    assert plan.images == 4


def test_an_estimate_has_a_range_and_a_set_price_none() -> None:
    estimate = planned(request(1))
    assert estimate.low_usd is not None
    assert estimate.estimated_usd is not None
    assert estimate.worst_usd is not None
    assert estimate.low_usd < estimate.estimated_usd < estimate.worst_usd
    priced = planned(request(1), request(2, n=2), prices=PRICES)
    assert priced.low_usd == priced.estimated_usd == priced.worst_usd == Decimal("1.5")


def test_what_has_no_price_is_null_and_not_zero() -> None:
    plan = planned(request(1, model="dreamer"))
    assert plan.unpriced == 1
    assert plan.low_usd is plan.estimated_usd is plan.worst_usd is None
    mixed = planned(request(1, model="dreamer"), request(2), prices=PRICES)
    assert (mixed.unpriced, mixed.estimated_usd) == (1, Decimal("0.5"))


def test_nothing_to_send_costs_nothing() -> None:
    plan = planned(request(0, model="dreamer"), standings=ledger("done"))
    assert (plan.to_send, plan.unpriced) == (0, 0)
    assert plan.estimated_usd == Decimal(0)


def test_what_was_paid_is_fetched_and_not_priced_again() -> None:
    standings = ledger("unknown")
    reply = b'{"event":"reply","id":"%s","attempt":1,"urls":["http://e/1"]}'
    standings.take(reply % f"{0:020x}".encode())
    plan = planned(request(0), standings=standings, prices=PRICES)
    assert (plan.unknown, plan.to_send) == (1, 1)
    assert plan.estimated_usd == Decimal(0)


def test_groups_are_few_and_sum_to_what_will_be_sent() -> None:
    many = [request(n, size=f"{n}x64", n=2) for n in range(1, MOST_GROUPS + 9)]
    groups = planned(*many, prices=PRICES).groups
    assert len(groups) == MOST_GROUPS + 1
    others = next(group for group in groups if group.entry == "others")
    assert (others.requests, others.images) == (8, 16)
    assert sum(group.requests for group in groups) == len(many)
    costs = [group.estimated_usd or Decimal(0) for group in groups]
    assert sum(costs, Decimal(0)) == len(many)


def test_the_rows_of_a_table_are_one_group() -> None:
    rows = [
        msgspec.structs.replace(request(n, n=n), origin=f"m.csv:{n}")
        for n in range(1, 4)
    ]
    groups = planned(*rows, prices=PRICES).groups
    assert [(each.entry, each.requests, each.images) for each in groups] == [
        ("m.csv", 3, 6)
    ]


def test_shapes_without_end_are_counted_and_not_all_remembered() -> None:
    number = 2 * MOST_SHAPES + 1
    many = [request(n, quality=f"{n}", size="64x64") for n in range(number)]
    plan = planned(*many, *many, prices=PRICES)
    assert (plan.to_send, plan.estimated_usd) == (number, Decimal(number) / 2)


@given(
    st.lists(
        st.tuples(
            st.text(max_size=9),
            st.sampled_from(["low", "high", "unheard"]),
            st.integers(1, 3),
            st.sampled_from(["gpt-image-2-pro", "dreamer"]),
        ),
        min_size=1,
    ),
    st.sampled_from([(), PRICES]),
)
def test_a_plan_costs_what_its_requests_do(
    fields: list[tuple[str, str, int, str]], prices: tuple[Price, ...]
) -> None:
    requests = [
        request(number, prompt=prompt, quality=quality, n=n, model=model)
        for number, (prompt, quality, n, model) in enumerate(fields)
    ]
    plan = planned(*requests, prices=prices)
    found = [quote(each, prices) for each in requests]
    quotes = [each for each in found if each is not None]
    assert plan.unpriced == len(requests) - len(quotes)
    if quotes:
        assert plan.low_usd == sum(each.low for each in quotes)
        assert plan.estimated_usd == sum(each.expected for each in quotes)
        assert plan.worst_usd == sum(each.worst for each in quotes)


def test_a_survey_knows_whether_anything_has_a_price() -> None:
    for model, is_priced in (("gpt-image-2-pro", True), ("dreamer", False)):
        survey = Planner(Standings(), DEFAULT, ())
        survey.choose(request(1, model=model))
        assert survey.count.is_priced is is_priced


def test_two_requests_must_not_share_a_file() -> None:
    survey = Planner(Standings(), DEFAULT, ())
    survey.add(request(1))
    assert survey.clashes == set()
    survey.add(msgspec.structs.replace(request(2), output="FOX-1"))
    assert survey.clashes == {"fox-1"}


def test_orphans_are_in_the_ledger_and_not_in_the_manifest() -> None:
    survey = Planner(ledger("done", "done", "failed"), DEFAULT, ())
    survey.add(request(1))
    assert survey.orphans() == {f"{0:020x}", f"{2:020x}"}
    assert survey.finish(changed=0, orphaned=2).orphaned == 2


def test_an_id_of_any_kind_can_be_an_orphan() -> None:
    standings = Standings()
    standings.take(b'{"event":"attempt","id":"by hand","attempt":1}')
    assert Planner(standings, DEFAULT, ()).orphans() == {"by hand"}
    assert key_of("by hand") == key_of("by hand")


@pytest.mark.parametrize(
    ("standing", "is_bought"),
    [
        (None, False),
        (Standing(state=State.PENDING), False),
        (Standing(state=State.FAILED), False),
        (Standing(state=State.REJECTED), False),
        (Standing(state=State.SUCCEEDED), True),
        (Standing(state=State.LOST), True),
        (Standing(state=State.UNKNOWN), True),
        (Standing(state=State.FAILED, reply=REPLY), True),
    ],
)
def test_what_was_never_made_was_not_bought(
    standing: Standing | None, *, is_bought: bool
) -> None:
    assert was_bought(standing) is is_bought


@pytest.mark.parametrize(
    ("plan", "needs_consent"),
    [
        (Plan(total=0, warnings={}), False),
        (Plan(total=1, new=1, warnings={}), False),
        (Plan(total=1, done=1, orphaned=1, warnings={}), False),
        (Plan(total=1, changed=1, warnings={}), True),
        (Plan(total=1, new=1, orphaned=1, warnings={}), True),
        (Plan(total=1, new=1, orphaned=2, accepted=1, warnings={}), True),
        (Plan(total=1, new=1, orphaned=2, accepted=2, warnings={}), False),
    ],
)
def test_to_buy_anew_needs_consent(plan: Plan, *, needs_consent: bool) -> None:
    assert plan.needs_consent is needs_consent


def test_a_plan_awaits_to_itself() -> None:
    async def awaited(plan: Plan) -> Plan:
        return await plan

    plan = Plan(total=0, warnings={})
    assert asyncio.run(awaited(plan)) is plan


def test_every_state_has_a_kind() -> None:
    assert {kind_of(Standing(state=state)) for state in State} == set(Kind)
    assert kind_of(None) is Kind.NEW


def test_a_survey_knows_whether_anything_is_asked_for() -> None:
    survey = Planner(Standings(), DEFAULT, ())
    assert survey.is_empty
    survey.add(request(0))
    assert not survey.is_empty

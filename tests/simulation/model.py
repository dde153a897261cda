"""What should be true, in plain dictionaries: learns what was accepted and what was committed, and checks it.

Each check names the invariant of the design that it stands for (docs/explanation/design.md):

    1 exactly once    2 nothing leaves before the commit    3 one at a time    4 in order    5 an operation is a transaction
    6 fenced          7 nothing is lost silently            8 reads see committed state      9 everything has a limit
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from simulation.causes import Causes
from simulation.ledger import entries_of
from stead.entities._message.envelope import Failure, Message, decode_message, decode_reply
from stead.entities._message.letters import decode_letter
from stead.transport import Acquired, Commit, CommitVerdict, EnqueueResult, Settings, Verdict

NEVER_APPLIED = {"fail": "operation", "nosuch": "unknown_operation", "badly": "invalid_input", "flood": "operation"}


@dataclass(slots=True)
class Sent:
    """A message that somebody sent."""

    tag: str
    sender: str
    number: int  # ascending per sender
    target: str
    operation: str
    delay_ms: int | None = None
    call_id: int | None = None
    due_ms: int | None = None  # known once it was accepted


def _tag(message: Message) -> str:
    tag = message.args[0]
    assert isinstance(tag, str)
    return tag


def _parent_of(message: Message) -> str:
    """The tag of the message with which one was sent."""
    return _tag(message).rpartition("/")[0]


def tag_of(envelope: bytes) -> str:
    """The tag of a message."""
    tag = decode_message(envelope).args[0]
    assert isinstance(tag, str)
    return tag


class Model:
    """The truth about a hub, as far as it can be known from outside."""

    def __init__(self, settings: Settings, slack_ms: int) -> None:
        self._settings = settings
        self._slack_ms = slack_ms  # how far the hub's time may be from the server's
        self.sent: dict[str, Sent] = {}
        self.accepted: set[str] = set()
        self.states: dict[str, list[str]] = {}
        self.applied: dict[str, str] = {}  # tag -> target
        self.dead: dict[str, str] = {}  # tag -> kind of failure
        self.replied: dict[int, object] = {}  # call ID -> value or failure
        self.tokens: dict[int, bytes] = {}  # partition -> token of its lease
        self.commit_ids: dict[int, bytes] = {}  # partition -> ID of its last commit
        self.taken_over = 0  # how often a lease was taken from somebody who had not released it
        self._last: dict[tuple[str, str], int] = {}  # sender and receiver -> number of the last message applied
        self.causes = Causes(self._is_done)

    @property
    def outstanding(self) -> set[str]:
        """What was accepted and has not had an effect yet."""
        failed = {tag for tag, sent in self.sent.items() if isinstance(self.replied.get(sent.call_id or -1), Failure)}
        return self.accepted - self.applied.keys() - self.dead.keys() - failed

    def _is_done(self, tag: str) -> bool:
        """Whether a message has had its effect, or failed."""
        call_id = self.sent[tag].call_id
        return tag in self.applied or tag in self.dead or (call_id is not None and call_id in self.replied)

    @property
    def progress(self) -> int:
        """Grows whenever something was accepted or had its effect."""
        return len(self.accepted) + len(self.applied) + len(self.dead) + len(self.replied)

    def register(self, sent: Sent) -> None:
        assert sent.tag not in self.sent, f"tag {sent.tag} is taken"
        self.sent[sent.tag] = sent

    # -- what the store said -------------------------------------------------------------------------------------------

    def enqueued(self, tags: list[str], result: EnqueueResult, now_ms: int) -> None:
        """The store's true answer to a batch, whether the sender has heard it or not."""
        if result.verdict is Verdict.ACCEPTED:
            for tag in tags:
                assert tag not in self.accepted, f"invariant 1: {tag} was accepted twice"
                self._accept(tag, now_ms)
        elif result.verdict is Verdict.DUPLICATE:
            missing = set(tags) - self.accepted
            assert not missing, f"invariant 7: {missing} were called duplicates and are not there"

    def _accept(self, tag: str, now_ms: int) -> None:
        self.accepted.add(tag)
        sent = self.sent[tag]
        self.causes.accepted(tag, sent.target, sent.delay_ms is not None)
        sent.due_ms = None if sent.delay_ms is None else now_ms + sent.delay_ms

    def acquired(self, acquired: Acquired) -> None:
        expected = self.commit_ids.get(acquired.partition, b"")
        assert acquired.commit_id == expected, "invariant 6: the history of the partition is another one"
        self.taken_over += bool(self.tokens.get(acquired.partition))
        self.tokens[acquired.partition] = acquired.token

    def expect(self, commits: Sequence[Commit], *, late: bool = False) -> list[CommitVerdict]:
        """What the store has to say to a batch; `late`: a copy of it, which may have been overtaken."""
        verdicts = [self._expect(commit, late) for commit in commits]
        for place, commit in enumerate(commits):
            if not commit.component or verdicts[place] is not CommitVerdict.APPLIED:
                continue
            others = [v for v, other in zip(verdicts, commits, strict=True) if other.component == commit.component]
            assert CommitVerdict.ALREADY not in others, "a component is applied as a whole"
            if CommitVerdict.FENCED in others:
                verdicts[place] = CommitVerdict.VOID
        return verdicts

    def _expect(self, commit: Commit, late: bool) -> CommitVerdict:
        if self.commit_ids.get(commit.partition, b"") == commit.commit_id:
            return CommitVerdict.ALREADY
        if self.tokens.get(commit.partition) != commit.token:
            return CommitVerdict.FENCED
        if self.commit_ids.get(commit.partition, b"") != commit.previous:
            assert late, "an owner names its last commit"
            return CommitVerdict.FENCED
        return CommitVerdict.APPLIED

    # -- commits -------------------------------------------------------------------------------------------------------

    def committed(self, commits: Sequence[Commit], now_ms: int) -> None:
        """Commits have been applied, in one step: check all that is in them."""
        stored: dict[str, list[Message]] = {}  # tag -> what is sent with it
        for commit in commits:
            self.commit_ids[commit.partition] = commit.commit_id
            assert not commit.deleted, "nobody deletes here"
            self._check_size(commit)
            created = [target for target, _ in commit.states if target not in self.states]
            assert list(commit.created) == created, "the index has each target once"
            for _, envelope in commit.sends:
                message = decode_message(envelope)
                stored.setdefault(_parent_of(message), []).append(message)
        fresh = self._grown([each for commit in commits for each in commit.states], stored, now_ms)
        assert not stored, f"invariant 5: {list(stored)} were not applied with what they have sent"
        for commit in commits:
            self._learn_replies(commit, fresh)
            self._learn_letters(commit)
        self.causes.check()

    def _check_size(self, commit: Commit) -> None:
        limit = self._settings.batch_length_max
        messages = len(commit.consumed) + sum(len(unpark.stream_ids) for unpark in commit.unparked)
        read = 100  # scheduled signals and garbage of one read are dealt with at once
        assert messages <= limit + read, "invariant 9: a commit is bounded"
        assert len(commit.sends) < limit + self._settings.turn_sends_max, "invariant 9: a commit is bounded"

    def _grown(
        self, records: Sequence[tuple[str, bytes]], stored: dict[str, list[Message]], now_ms: int
    ) -> dict[str, None]:
        """What was applied, each after what has sent it. What was handed over in memory was sent by what was applied in the same
        step, and is stored nowhere."""
        left: dict[str, list[str]] = {}
        handed: dict[str, list[tuple[str, str]]] = {}  # parent -> tag, target
        for target, record in records:
            before, after = self.states.setdefault(target, []), entries_of(record)
            assert after[: len(before)] == before, f"invariant 3: {target} went from {before} to {after}"
            left[target] = after[len(before) :]
            for tag in left[target]:
                if tag not in self.sent:
                    handed.setdefault(tag.rpartition("/")[0], []).append((tag, target))
        fresh: dict[str, None] = {}
        while ready := [target for target, tags in left.items() if tags and tags[0] in self.sent]:
            for target in ready:
                tag = left[target].pop(0)
                self._apply(target, tag, now_ms)
                fresh[tag] = None
                self._learn_children(tag, target, stored.pop(tag, []), handed.pop(tag, []), now_ms)
        lost = [tag for tags in left.values() for tag in tags]
        assert not lost, f"invariant 2: {lost} were never sent by a turn that was committed"
        return fresh

    def _apply(self, target: str, tag: str, now_ms: int) -> None:
        sent = self.sent.get(tag)
        assert sent is not None, f"invariant 2: {tag} at {target} was never sent by a turn that was committed"
        assert tag in self.accepted, f"invariant 7: {tag} was applied and never accepted"
        assert tag not in self.applied, f"invariant 1: {tag} was applied twice"
        assert tag not in self.dead, f"invariant 7: {tag} was applied and is a dead letter"
        assert sent.target == target, f"{tag} was for {sent.target} and went to {target}"
        assert sent.operation not in NEVER_APPLIED, f"invariant 5: {tag} failed and left its change"
        if sent.delay_ms is None:
            lane = (sent.sender, target)
            last = self._last.get(lane, -1)
            assert sent.number > last, f"invariant 4: {tag} of {lane} came after number {last}"
            self._last[lane] = sent.number
        else:
            assert sent.due_ms is not None
            assert now_ms >= sent.due_ms - self._slack_ms, f"{tag} came before its time"
        self.applied[tag] = target
        self.causes.applied(tag, target, len(self.states[target]))
        self.states[target].append(tag)

    def _learn_replies(self, commit: Commit, fresh: Mapping[str, None]) -> None:
        for reply in commit.replies:
            call_id, value, ok = decode_reply(reply.payload)
            assert call_id not in self.replied, f"invariant 1: call {call_id} was answered twice"
            sent = next(sent for sent in self.sent.values() if sent.call_id == call_id)
            if ok:
                assert sent.tag in fresh, f"invariant 2: {sent.tag} was answered and not applied"
                entries = self.states[sent.target]
                assert value == entries.index(sent.tag) + 1, f"invariant 8: {sent.tag} saw {value} entries"
            else:
                assert isinstance(value, Failure)
                assert sent.tag not in fresh, f"invariant 5: {sent.tag} failed and was applied"
                self._check_failure(sent, value.kind)
            self.replied[call_id] = value

    def _learn_letters(self, commit: Commit) -> None:
        for packed in commit.dead:
            letter = decode_letter(packed)
            tag = tag_of(letter.envelope)
            assert tag in self.accepted, f"invariant 7: {tag} is dead and was never accepted"
            assert tag not in self.dead, f"invariant 1: {tag} died twice"
            assert tag not in self.applied, f"invariant 5: {tag} is dead and was applied"
            self._check_failure(self.sent[tag], letter.failure.kind)
            self.dead[tag] = letter.failure.kind

    def _check_failure(self, sent: Sent, kind: str) -> None:
        if kind == "poison":
            assert self.taken_over >= 3, f"{sent.tag} was buried and killed nobody"
        elif sent.operation in ("wait", "linger"):
            assert kind == "operation"
        else:
            assert NEVER_APPLIED.get(sent.operation) == kind, f"invariant 7: {sent.tag} died of {kind}"

    def _learn_children(
        self, parent: str, sender: str, stored: list[Message], handed: list[tuple[str, str]], now_ms: int
    ) -> None:
        """Signals from entities to entities: stored with the commit that carries them, or done with it."""
        entry = len(self.states[sender]) - 1
        told = [(_tag(message), message.target, message.operation, message.delay_ms) for message in stored]
        for tag, target, operation, delay_ms in [*told, *((*one, "note", None) for one in handed)]:
            number = 1_000 * entry + int(tag.rpartition("/")[2].replace("~", "999"))
            self.register(Sent(tag, sender, number, target, operation, delay_ms))
            self.causes.sent(tag, target, sender, entry, delay_ms is not None)
        for message in stored:
            assert message.sender == sender
            self._accept(_tag(message), now_ms)
        self.accepted.update(tag for tag, _ in handed)

    # -- looking at the store ------------------------------------------------------------------------------------------

    def check_read(self, target: str, record: bytes | None) -> None:
        assert entries_of(record) == self.states.get(target, []), f"invariant 8: what was read of {target}"

    def check_waiting(self, tags: Counter[str]) -> None:
        """Everything that waits in the store: exactly what was accepted and has had no effect."""
        doubled = [tag for tag, count in tags.items() if count > 1]
        assert not doubled, f"invariant 1: {doubled} are in the store twice"
        assert tags.keys() - self.outstanding == set(), "invariant 1: in the store, and had its effect"
        assert self.outstanding - tags.keys() == set(), "invariant 7: accepted, had no effect, and is gone"

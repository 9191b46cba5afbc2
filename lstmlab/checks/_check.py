"""A check: one function of the student's against one reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from . import probe
from ._answers import Answer, Raised, Trouble, flatten, outputs_of, read
from ._book import numbered
from ._compare import close, difference
from ._diagnose import diagnose
from ._edits import Mistake, Source, depends_on, home, replay
from ._meanings import meaning
from ._verdict import Part, Verdict


class Case(NamedTuple):
    """Inputs of one call.

    Attributes
    ----------
    args : dict
        Arguments by name, in the order in which they are passed: arrays, numbers, and dicts and lists of them.
    label : str
        What is special about them, such as ``"B=1, I=3, H=5"``, for the message.
    part : str, optional
        The part that this case counts for; that of each output by default.
    """

    args: dict[str, Any]
    label: str
    part: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Check:
    """What one exercise demands.

    Parameters
    ----------
    name : str
        Name of the student's function.
    draw : callable
        ``draw(rng) -> list of Case``; the first case should tell mistakes apart, since diagnosis begins with it.
    reference : callable
        The same call as the student's, as thin as can be around functions of lstmlab.
    returns : Output, or a tuple or dict of these
        What the function returns; where the reference leaves a key out of a dict, none is asked for.
    parts : dict of str to number
        Points by part, in the order in which they are shown.
    mistakes : tuple of Mistake
        The catalogue.
    inner : tuple of Source, optional
        What the reference calls and a mistake may edit, innermost first.
    hints : dict of str to str, optional
        By part: what to think of when nothing but parts with a hint is wrong, and no mistake is recognised.
    tolerance : float, optional
        Largest difference that is rounding, relative to the largest entry of an array.
    kind : str, optional
        How the probe calls the function: a key of `probe.KINDS`.
    errors : dict of str to str, optional
        By a part of an exception's message: what it means, in the student's terms.
    libraries : tuple of str, optional
        What the function may import beside NumPy, matplotlib and IPython.
    """

    name: str
    draw: Callable[[np.random.Generator], list[Case]]
    reference: Callable
    returns: Any
    parts: Mapping[str, float]
    mistakes: tuple[Mistake, ...]
    inner: tuple[Source, ...] = ()
    hints: Mapping[str, str] = field(default_factory=dict)
    tolerance: float = 1e-9
    kind: str = "call"
    errors: Mapping[str, str] = field(default_factory=dict)
    libraries: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Check {self.name}: {self.points:g} points, {len(self.mistakes)} mistakes>"

    @property
    def points(self) -> float:
        """Points to be had."""
        return sum(self.parts.values())

    @property
    def sources(self) -> tuple[Source, ...]:
        """All that a mistake may edit, the reference last."""
        return (*self.inner, Source(self.reference, self.name))

    def cases(self, seed: int | bytes) -> list[Case]:
        """Draw the inputs; the same seed gives the same inputs."""
        return self.draw(np.random.default_rng(int.from_bytes(seed, "big") if isinstance(seed, bytes) else seed))

    def requests(self, seed: int | bytes) -> list[dict]:
        """The inputs as plain data for the probe: nothing in them tells what is expected.

        Parameters
        ----------
        seed : int or bytes
            Not negative.

        Returns
        -------
        list of dict
            Each ``{"args": {name: value}}``.
        """
        return [{"args": case.args} for case in self.cases(seed)]

    def run(self, function: Callable, args: dict[str, Any]) -> dict[str, np.ndarray]:
        """What the reference, or one with mistakes in it, returns for a case; its arguments stay as they are."""
        with np.errstate(all="ignore"):
            return flatten(self.returns, function(*probe.copied(args).values()))

    def judge(self, seed: int | bytes, answers: Any) -> Verdict:
        """Form the verdict.

        Parameters
        ----------
        seed : int or bytes
            The one that the requests were drawn from.
        answers : list
            What the probe sent back. It is not trusted: what cannot be read earns nothing and raises nothing.

        Returns
        -------
        Verdict
        """
        cases = self.cases(seed)
        if not isinstance(answers, list) or len(answers) != len(cases):
            return self._nothing("no usable answer", "The run did not answer every call of the function.")
        array = "tensor" if "torch" in self.libraries else "NumPy array"
        return Judgement(self, cases, [read(answer, self.returns, array) for answer in answers]).verdict()

    def _nothing(self, headline: str, finding: str) -> Verdict:
        parts = tuple(Part(name, points, 0, "") for name, points in self.parts.items())
        return Verdict(self.name, parts, headline, ((finding,),))


class Judgement:
    """One set of answers beside what was expected."""

    def __init__(self, check: Check, cases: list[Case], answers: list[Answer]):
        self.check, self.cases, self.answers = check, cases, answers
        self.expected = [check.run(check.reference, case.args) for case in cases]
        self.notes = [self._notes(*pair) for pair in zip(answers, self.expected, strict=True)]

    def verdict(self) -> Verdict:
        wrong = [n for n, notes in enumerate(self.notes) if any(notes.values())]
        if not wrong:
            return Verdict(self.check.name, self._parts({}, False), "right", remarks=self._remarks())
        if unwritten := self._unwritten():
            return self.check._nothing(*unwritten)
        mistakes = self._diagnose(wrong)
        findings = [*self._troubles(), *map(self._explain, mistakes)]
        follows = self._follows()
        parts = self._parts(follows, explained=bool(mistakes))
        if not mistakes and self._comparable():
            findings += self._hints(parts, follows)
        return Verdict(self.check.name, parts, "wrong", tuple(findings),
                       tuple(", or ".join(m.name for m in alike) for alike in mistakes), self._remarks(),
                       footnote=_POLICY if follows else "")

    # -- comparing ---------------------------------------------------------------------------------

    def _notes(self, answer: Answer, expected: dict[str, np.ndarray]) -> dict[str, str]:
        """For one case, what is wrong with each output; empty where nothing is."""
        notes = {}
        for output in outputs_of(self.check.returns):
            came = answer.outputs.get(output.name)
            if output.name not in expected:
                notes[output.name] = ""
            elif came is None:
                notes[output.name] = "nothing came"
            elif isinstance(came, Trouble):
                notes[output.name] = came.text
            elif output.rule and (came.shape, came.dtype.kind) == (expected[output.name].shape, "f"):
                notes[output.name] = output.rule(came)
            else:
                notes[output.name] = difference(came, expected[output.name], output.shape, self.check.tolerance)
        return notes

    def _comparable(self) -> bool:
        """Whether everything that came is an array of the right shape, so that only its values can be wrong."""
        def fits(came: Any, expected: np.ndarray) -> bool:
            return isinstance(came, np.ndarray) and came.shape == expected.shape

        return all(answer.outputs and all(fits(answer.outputs[name], array) for name, array in expected.items())
                   for answer, expected in zip(self.answers, self.expected, strict=True))

    def _parts(self, follows: dict[str, str], explained: bool) -> tuple[Part, ...]:
        """Points by part: a part is earned when all that counts for it is right in every case.

        Once a mistake `explained` what came, its numbers would only be in the way.
        """
        wrong: dict[str, str] = {}
        for case, answer, notes in zip(self.cases, self.answers, self.notes, strict=True):
            for output in outputs_of(self.check.returns):
                if notes[output.name]:
                    part = case.part or output.part or output.name
                    note = f"{notes[output.name]}, for {case.label}" * (not explained and bool(answer.outputs))
                    note = f"{output.name}: {note}" if note and output.part not in ("", output.name) else note
                    wrong.setdefault(part, follows.get(output.name, note))
        return tuple(Part(name, points, 0 if name in wrong else points, wrong.get(name, ""))
                     for name, points in self.check.parts.items())

    @property
    def _outputs(self) -> list[str]:
        return [output.name for output in outputs_of(self.check.returns)]

    # -- explaining --------------------------------------------------------------------------------

    def _unwritten(self) -> tuple[str, str] | None:
        raised = [answer.raised for answer in self.answers]
        if not all(r is not None and r.type == "NotImplementedError" for r in raised):
            return None
        if raised[0].source and not raised[0].source.startswith("raise"):
            return "not there yet", f"It uses something that is not written yet, in {_place(raised[0])}"
        return "not written yet", "Put your code where the function raises NotImplementedError, then run this again."

    def _diagnose(self, wrong: list[int]) -> list[list[Mistake]]:
        check = self.check
        compared = {output.name for output in outputs_of(check.returns) if output.rule is None}
        # a value tells more than an exception, and a rule that is broken tells nothing of the others
        telling = [n for n in wrong if self.answers[n].outputs
                   and any(self.notes[n][name] for name in compared)]
        if not telling:
            return []

        def run(function: Callable, args: dict[str, Any]) -> dict[str, np.ndarray]:
            return {name: array for name, array in check.run(function, args).items() if name in compared}

        return diagnose(check.sources, run, check.mistakes, check.tolerance,
                        [case.args for case in self.cases], self.answers, telling[0])

    def _explain(self, alike: list[Mistake]) -> tuple[str, ...]:
        """The paragraph of one mistake, or of several that cannot be told apart from outside."""
        own = self.check.name
        names: dict[str, list[str]] = {own: []}
        for mistake in alike:
            names.setdefault(home(mistake, self.check.sources).student, []).append(mistake.name)
        here, elsewhere = names.pop(own), list(names)
        there = f", in your {_and(elsewhere)}: {', or '.join(name for found in names.values() for name in found)}"
        first = f"Most likely: {', or '.join(here)}" if here else f"Most likely{there}"
        also = f"; or{there}" if here and elsewhere else ""
        whys = dict.fromkeys(line for m in alike for line in (m.why, f"Read: {numbered(m.see)}."))
        lines = [f"{first}{also}.", *whys]
        if elsewhere and not here:
            lines.append(f"Then {own} itself need not change. But if the check of your {_and(elsewhere)} finds "
                         f"nothing, the same happens in {own}, around the call.")
        return tuple(lines)

    def _troubles(self) -> list[tuple[str, ...]]:
        """What kept whole answers from being compared, said once."""
        found: dict[Any, list[str]] = {}
        for case, answer in zip(self.cases, self.answers, strict=True):
            if answer.raised:
                # one slip may read differently for every shape
                raised = answer.raised
                same = (r for r in found if isinstance(r, Raised) and (r.type, r.line) == (raised.type, raised.line))
                found.setdefault(next(same, raised), []).append(case.label)
            elif answer.trouble:
                found.setdefault(answer.trouble, []).append(case.label)
        return [(*_words(what), *self._means(what), *self._which(labels))
                for what, labels in list(found.items())[:2]]

    def _means(self, what: Raised | str) -> list[str]:
        """What an exception means here, where its message is a known one."""
        if not isinstance(what, Raised):
            return []
        if what.type == "KeyError" and self.check.kind == "call":
            given = [(name, value) for name, value in self.cases[0].args.items() if isinstance(value, dict)]
            return [f"The keys of {name} are {', '.join(value)}." for name, value in given
                    if what.message.strip("'") not in value]
        return [words for words in [meaning(what.message, self.check.errors)] if words]

    def _which(self, labels: list[str]) -> tuple[str, ...]:
        if len(labels) == len(self.cases):
            return ()
        return (f"For {len(labels)} of {len(self.cases)} inputs, the first being {labels[0]}.",)

    def _hints(self, parts: tuple[Part, ...], follows: dict[str, str]) -> list[tuple[str, ...]]:
        """What to say when no mistake was recognised."""
        wrong = [part.name for part in parts if part.earned < part.points]
        if all(name in self.check.hints for name in wrong):
            return [(self.check.hints[name],) for name in wrong]
        if all(note.startswith("dtype ") for notes in self.notes for note in notes.values() if note):
            return []                                # the part says which dtype, and there is no more to it
        start = next((name for name in wrong if name not in follows), "")
        advice = f" Start with {start}." if len(parts) > 1 and start in self._outputs else ""
        earlier = list(dict.fromkeys(s.student for s in self.check.inner if s.student != self.check.name))
        if earlier:
            advice = (f" If your {_and(earlier)} {'are' if earlier[1:] else 'is'} not right yet, begin there"
                      f"{f'; otherwise start with {start}' if advice else ''}.")
        return [(f"None of the mistakes in our list fits.{advice}",)]

    def _follows(self) -> dict[str, str]:
        """Wrong outputs that are right given the student's own others, and what to say of them."""
        if not self._comparable():
            return {}
        wrong = {name for notes in self.notes for name, note in notes.items() if note}
        reads = depends_on(self.check.sources, self.check.name, set(self._outputs))
        return {name: f"but it follows from your own {_and([o for o in self._outputs if o in used and o in wrong])}"
                for name, used in reads.items() if name in wrong and wrong & set(used) and self._replays(name)}

    def _replays(self, name: str) -> bool:
        given: dict[str, np.ndarray] = {}
        function = replay(self.check.sources, self.check.name, name, set(self._outputs), given)
        for case, answer in zip(self.cases, self.answers, strict=True):
            given.clear()
            given.update(answer.outputs)
            try:
                outputs = self.check.run(function, case.args)
            except Exception:                        # a student's array may be anything of that shape
                return False
            if name not in outputs or not close(answer.outputs[name], outputs[name], self.check.tolerance):
                return False
        return True

    def _remarks(self) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for case, answer in zip(self.cases, self.answers, strict=True):
            for name in answer.changed:
                if name in case.args:
                    found[f"The argument {name} was changed in place. It costs nothing here, but whoever called "
                          "the function may still need it as it was."] = None
            if answer.extras:
                keys = ", ".join(map(repr, answer.extras))
                found[f"{'Keys' if answer.extras[1:] else 'A key'} nobody asked for came back: {keys}."] = None
            for text in answer.warnings:
                found[f"{text.removeprefix('RuntimeWarning: ')} (a warning, it costs nothing by itself)"] = None
        return tuple(found)[:6]


_POLICY = ("What follows from your own earlier values needs no change. It earns its points as soon as those are "
           "right.")


def _words(what: Raised | str) -> tuple[str, ...]:
    """An exception, or what is wrong with a whole returned value, as a paragraph."""
    if isinstance(what, str):
        return (what,)
    first = f"It raised {what.type}{f': {what.message}' if what.message else ''}"
    places = [f"At {_place(what)}"] * bool(what.line) + [f"and there at {what.inside}"] * bool(what.inside)
    return (first, *places)


def _place(raised: Raised) -> str:
    return f"line {raised.line}{f': {raised.source}' if raised.source else ''}"


def _and(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)

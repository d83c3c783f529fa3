"""The steps of a recorded pipeline, made again: loaded, configured, and held against what had run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from zencache import artifact_value, log, notation
from zencache.definition import Definition, Said, StepDefinition, read_definition
from zencache.entity import Execution, PipelineRun
from zencache.exceptions import NotFoundError, ZencacheError, error_text
from zencache.key import CODE, KeyMaker
from zencache.options import CacheOptions
from zencache.origin import cut_at, load_step
from zencache.policy import CachePolicy
from zencache.provenance import require_signed, require_signed_definition
from zencache.step_function import Step
from zencache.stores import Stores
from zencache.why import differences, with_parts


class Recording:
    """The definition of a pipeline's run, from which its steps can be made again.

    Args:
        stores: where it is recorded.
        run: the run.

    Raises:
        NotFoundError: the definition is gone, or was recorded by another version of zencache.
        SignatureError: nobody whose signature is accepted has signed it.
    """

    def __init__(self, stores: Stores, run: PipelineRun):
        require_signed_definition(stores.metadata, run)
        self._stores = stores
        self._run = run
        self.definition: Definition = read_definition(run.definition, run.pipeline)
        self.options = CacheOptions(pipeline=self.definition.enable_cache, policy=self._policy())
        self._found: dict[str, Execution] | None = None
        self._loaded: dict[str, Any] = {}

    def load(self, definitions: Iterable[StepDefinition], remedy: Callable[[str], str]) -> dict[str, Any]:
        """Steps by their name in the pipeline, configured as they were.

        The log says of each whose code has changed since, and what in it.

        Args:
            definitions: those that are wanted.
            remedy: slot -> how another step is put there, for the hint of an error.

        Raises:
            NotFoundError: the code of one, or a value that it was given, is gone.
            ConfigurationError: the file of one cannot be imported.
            DeclarationError: one does not take its parameters any more.
        """
        definitions = list(definitions)
        for wanted in definitions:
            if wanted.name in self._loaded:
                continue
            try:
                step = self._step(wanted)
                said = self.arguments(wanted, wanted.configured, step)
                configured = step(**said) if isinstance(step, Step) else step
            except ZencacheError as error:
                raise self._told(error, wanted, remedy) from error
            self._tell_changes(wanted, step)
            self._loaded[wanted.name] = configured
        return {wanted.name: self._loaded[wanted.name] for wanted in definitions}

    def _step(self, definition: StepDefinition) -> Any:
        """The step that lies where the definition says, or what a call of zencache's own makes anew."""
        if definition.made_by is None:
            return load_step({"step": definition.step, "source": definition.source, "file": definition.file})
        if isinstance(definition.made_by, list):
            raise NotFoundError(
                "What the step was made with cannot be recorded, and so not be made again.",
                facts={"step": definition.name, "made with": definition.made_by[0]},
                hint="Define the classes that it names at the top level of a module, and run it once more.",
            )
        maker, arguments = self._read(definition.made_by, {"step": definition.name})
        return maker(**arguments)

    def arguments(self, definition: StepDefinition, said: Mapping[str, Said], step: Any) -> dict[str, Any]:
        """What a step was configured with, or was given by the pipeline, beside outputs of others.

        Raises:
            NotFoundError, ConfigurationError: a value is gone, or a class that it is of.
            ArtifactMissing, ArtifactDamaged: the bytes of a value are gone.
        """
        return {argument: self._argument(definition, argument, text, step) for argument, text in said.items()}

    def _argument(self, definition: StepDefinition, argument: str, said: Said, step: Any) -> Any:
        facts = {"step": definition.name, "argument": argument}
        if isinstance(said, list):
            raise NotFoundError(
                "A value that the step was given cannot be recorded, and so not be given again.",
                facts={**facts, "value": said[0]},
                hint="Configure the step anew.",
            )
        if said is not None:
            return self._read(said, facts)
        execution = self._executions.get(definition.name)
        if execution is None or argument not in execution.inputs:
            raise NotFoundError(
                "A value that the step was given is not recorded: the run did not come to this step.",
                facts={**facts, "run": self._run.name},
                hint="Run the pipeline to its end once, or configure the step anew.",
            )
        candidates = [step.declaration.arguments.get(argument)]
        require_signed(self._stores.metadata, [execution.inputs[argument]])
        return artifact_value.load(self._stores.artifacts, execution.inputs[argument], candidates=candidates)

    def _read(self, said: str, facts: Mapping[str, Any]) -> Any:
        try:
            return notation.read(said)
        except ZencacheError as error:
            raise type(error)(error.message, facts={**facts, **error.facts}, hint=error.hint) from error
        except Exception as error:
            raise NotFoundError(
                f"A value that the step was given cannot be made again: {error_text(error)}.",
                facts={**facts, "recorded": f"{said:.80}"},
                hint="Configure the step anew, or put its class back as it was.",
            ) from error

    @property
    def _executions(self) -> dict[str, Execution]:
        """The executions of the run by node, with their key parts; read once, when first needed."""
        if self._found is None:
            executions = self._stores.metadata.read.executions_of_run(self._run.id)
            self._found = {e.node: e for e in with_parts(self._stores.metadata.read, executions)}
        return self._found

    def _policy(self) -> CachePolicy | None:
        recorded = self.definition.cache_policy
        if recorded is None:
            return None
        facts = {"pipeline": self._run.pipeline}
        hint = "Declare the pipeline anew."
        try:
            policy = notation.read(recorded)
        except ZencacheError as error:
            message = f"The cache policy of the pipeline cannot be made again. {error.message}"
            raise type(error)(message, facts={**facts, **error.facts}, hint=hint) from error
        except Exception as error:
            message = f"The cache policy of the pipeline cannot be made again: {error_text(error)}."
            raise NotFoundError(message, facts=facts, hint=hint) from error
        assert isinstance(policy, CachePolicy)
        return policy

    def _told(
        self, error: ZencacheError, wanted: StepDefinition, remedy: Callable[[str], str]
    ) -> ZencacheError:
        """An error about a step, which also says of which pipeline, and what to do there."""
        hints = [error.hint] if error.hint else []
        if wanted.slot:
            hints.append(f"Or put another step in its place: `{remedy(wanted.slot)}`.")
        facts = {"pipeline": self._run.pipeline, "step": wanted.name, **error.facts}
        facts.setdefault("source", wanted.source)
        facts.setdefault("file", wanted.file)
        return type(error)(error.message, facts=facts, hint=" ".join(hints) or None)

    def _tell_changes(self, definition: StepDefinition, step: Any) -> None:
        """One line in the log if a step is not what it was when the pipeline ran."""
        execution = self._executions.get(definition.name)
        if execution is None or not execution.key_parts:
            return
        policy = self.options.policy_of(step.declaration)
        parts = KeyMaker(acceptances=self._stores.metadata.acceptances()).declared(step.declaration, policy)
        found = _changes(parts, execution)
        if not found:
            return
        line = cut_at(definition.file)
        log.configure()
        log.logger.warning(
            "Step `%s` has changed since `%s` ran: %s. It is in %s%s.",
            definition.name,
            self._run.pipeline,
            ", ".join(found),
            definition.file or definition.source,
            f", which was imported down to line {line} only, where it begins to run" if line else "",
        )


def _changes(now: Mapping[str, str], execution: Execution) -> list[str]:
    """The labels of what a step declares that differ from what an execution had."""
    before = {
        label: part
        for label, part in execution.key_parts.items()
        if label.partition(" ")[0] not in ("parameter", "input", "file", "package", "cache_func")
    }
    if now.get(CODE) == before.get(CODE):  # or an edit was accepted, and its units do not matter
        now, before = (
            {label: part for label, part in parts.items() if not label.startswith("code: ")}
            for parts in (now, before)
        )
    is_now, was = (replace(execution, key_parts=parts) for parts in (now, before))
    found = [str(difference) for difference in differences(is_now, was, {}, {})]
    return found or (["code"] if now.get(CODE) != before.get(CODE) else [])

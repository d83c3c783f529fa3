"""A materializer of one's own: chosen by type, configured by a step, recorded with what it saved."""

import pytest

from zencache import BaseMaterializer, DeclarationError, Repository, pipeline, step


class Words(BaseMaterializer):
    """Lists of words in a file, with a separator of one's choice."""

    def __init__(self, separator):
        self.separator = separator

    def save(self, value, directory):
        (directory / "words.txt").write_text(self.separator.join(value))

    def load(self, directory, type):
        return (directory / "words.txt").read_text().split(self.separator)


def speaking(separator):
    @step(materializers=Words(separator))
    def speak() -> list:
        return ["a b", "c"]

    @step
    def count(words: list) -> int:
        return len(words)

    @pipeline
    def speech():
        count(speak())

    return speech()


def test_a_configured_materializer_loads_what_it_saved_in_the_run_and_afterwards(project):
    run = speaking(";").run()
    assert run.steps["count"].output.read() == 2
    assert run.steps["speak"].output.read() == ["a b", "c"]
    assert Repository().get_run(run.name).steps["speak"].output.read() == ["a b", "c"]


def test_another_configuration_is_another_key(project):
    speaking(";").run()
    assert {name: s.status for name, s in speaking("|").run().steps.items()}["speak"] == "completed"
    assert {name: s.status for name, s in speaking(";").run().steps.items()} == {
        "speak": "cached",
        "count": "cached",
    }


@pytest.mark.parametrize("wrong", [object(), "x" * 3000], ids=["cannot be recorded", "too long"])
def test_a_configuration_that_cannot_be_recorded_is_an_error_when_the_step_is_declared(wrong):
    with pytest.raises(DeclarationError, match="configur") as refused:
        speaking(wrong)
    assert refused.value.facts["step"] == "speak"
    assert refused.value.hint

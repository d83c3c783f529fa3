"""docs/reference.md has every public name, and each says what it is."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

import zencache
from zencache import BaseStepConfig, exceptions

PAGE = (Path(__file__).parent.parent / "docs" / "reference.md").read_text(encoding="utf-8")


def shown():
    """What stands on the page: classes and functions, and those that a module on it is said to show."""
    for name, options in re.findall(r"^::: (\S+)\n((?:    .*\n)*)", PAGE, re.MULTILINE):
        home, _, last = name.rpartition(".")
        found = getattr(importlib.import_module(home), last, None) or importlib.import_module(name)
        yield found
        for member in re.findall(r"^        - (\w+)$", options, re.MULTILINE):
            yield getattr(found, member)


def of_zencache(name):
    return getattr(zencache, name)


@pytest.mark.parametrize("name", zencache.__all__)
def test_a_public_name_is_on_the_page(name):
    assert any(of_zencache(name) is one for one in shown())


@pytest.mark.parametrize("name", sorted({one.__name__ for one in shown() if inspect.isclass(one)}))
def test_a_class_on_the_page_and_its_members_say_what_they_are(name):
    (found, *_) = [one for one in shown() if getattr(one, "__name__", "") == name]
    assert inspect.getdoc(found)
    # Dataclasses tell of their fields in their own docstring; pydantic's methods are pydantic's.
    own = {
        member: value
        for member, value in inspect.getmembers(found)
        if not member.startswith("_")
        and (inspect.isfunction(value) or isinstance(value, property))
        and not hasattr(BaseStepConfig, member)
    }
    assert [member for member, value in own.items() if not inspect.getdoc(value)] == []


def test_every_error_can_be_imported_from_zencache():
    errors = {
        name
        for name, value in vars(exceptions).items()
        if inspect.isclass(value) and value.__module__ == exceptions.__name__
    }
    assert errors - set(zencache.__all__) == set()

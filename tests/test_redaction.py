"""What is shown or recorded holds no password, and stays readable."""

import doctest

import pytest

from zencache import redaction
from zencache.exceptions import ConfigurationError, error_text
from zencache.redaction import redacted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mysql://u:p@ss@h/db", "mysql://u:***@h/db"),
        ("postgresql://u:a/b@h:5432/x", "postgresql://u:***@h:5432/x"),
        ("https://TOKEN@github.com/x", "https://***@github.com/x"),
        ("simplecache::s3://key:secret@bucket/x", "simplecache::s3://key:***@bucket/x"),
        ("redis://:pw@h", "redis://:***@h"),
        ("no answer from 'mysql://u:pw@h' (x)", "no answer from 'mysql://u:***@h' (x)"),
        ("two: mysql://a:b@h http://c:d@h", "two: mysql://a:***@h http://c:***@h"),
        ("AccountName=x;AccountKey=abc==;E=1", "AccountName=x;AccountKey=***;E=1"),
        ("https://h/x?X-Amz-Signature=ff&part=1", "https://h/x?X-Amz-Signature=***&part=1"),
        ("password='a b c' user=x", "password=*** user=x"),
        ("auth_token=abc", "auth_token=***"),
    ],
)
def test_a_secret_is_hidden_and_nothing_else(text, shown):
    assert redacted(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "http://h:8080/a@b",
        "abfs://container@account.dfs.core.windows.net/x",
        "sftp://user@host/x",
        "grpc://h:80",
        "sqlite:////a/b",
        "cache_key=abc max_tokens=5 bypass=1 author=joe compass=n",
        "--key_file=/etc/key.pem",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redacted(text) == text


def test_an_error_never_tells_a_password():
    error = ConfigurationError("No mysql://u:pw1@h.", facts={"metadata": "mysql://u:pw2@h", "port": 1})
    assert "pw" not in str(error) + repr(error) + str(error.args) + str(error.facts)
    assert error.facts["port"] == 1
    assert error_text(OSError("cannot reach mysql://u:pw3@h")) == "OSError: cannot reach mysql://u:***@h"


def test_the_examples_are_right():
    assert doctest.testmod(redaction).failed == 0


@pytest.mark.timeout(20)
@pytest.mark.parametrize("part", ["x", "x-", "x.", "a='", 'a="', "://u:p", "x://a@", "=", "a=1 b", "--k "])
def test_a_long_text_takes_no_long_time(part):
    text = "a=1 x://u:secret@h " + part * (1_000_000 // len(part))
    assert "secret" not in redacted(text)

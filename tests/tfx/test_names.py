"""Names of TFX: those that are here do what TFX's do, and those that are not say what to use instead."""

import importlib

import pytest

from zencache import DeclarationError, tfx
from zencache.tfx.dsl.components import Parameter, component
from zencache.tfx.dsl.io import fileio

NOT_HERE = [
    ("tfx.components", "a component of your own"),
    ("tfx.proto", "as parameters"),
    ("tfx.dsl.union", "An input takes one"),
    ("tfx.dsl.ForEach", "Loop in Python"),
    ("tfx.dsl.RuntimeParameter", "a function that takes the value"),
    ("tfx.dsl.ExecutionMode", "leave it out"),
    ("tfx.dsl.experimental.SpanRangeStrategy", "ResolverStrategy"),
    ("tfx.orchestration.experimental.KubeflowDagRunner", "LocalDagRunner"),
]


@pytest.mark.parametrize(("name", "instead"), NOT_HERE)
def test_a_name_that_is_not_here_says_what_to_use_instead(name, instead):
    module, _, attribute = f"zencache.{name}".rpartition(".")
    with pytest.raises(DeclarationError, match=f"`{name}` of TFX is not in zencache") as raised:
        getattr(importlib.import_module(module), attribute)
    assert instead in str(raised.value)
    with pytest.raises(DeclarationError, match="is not in zencache"):
        exec(f"from {module} import {attribute}")


def test_a_name_that_nobody_has_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Pipelin'"):
        _ = tfx.dsl.Pipelin
    assert tfx.__version__


def test_a_proto_parameter_is_refused_with_what_to_give():
    pb = pytest.importorskip("google.protobuf.struct_pb2")
    with pytest.raises(DeclarationError, match="A proto is no parameter"):
        Parameter[pb.Struct]
    with pytest.raises(DeclarationError, match="cannot have a parameter of this annotation"):

        @component
        def takes(options: pb.Struct):
            pass


def test_an_option_that_a_pipeline_does_not_have_is_named():
    with pytest.raises(DeclarationError, match="Did you mean `components`"):
        tfx.dsl.Pipeline(pipeline_name="p", component=[])
    with pytest.raises(DeclarationError, match="no option `execution_mode`"):
        tfx.dsl.Pipeline(pipeline_name="p", components=[], execution_mode=1)


@pytest.mark.parametrize("scheme", ["", "memory://"])
def test_files_are_read_and_written_by_path_or_url(scheme, tmp_path):
    root = f"{scheme}{tmp_path}" if not scheme else f"{scheme}/files"
    fileio.makedirs(f"{root}/a/b")
    fileio.makedirs(f"{root}/a/b")
    with fileio.open(f"{root}/a/x.txt", "w") as file:
        file.write("x")
    fileio.copy(f"{root}/a/x.txt", f"{root}/a/b/y.txt")
    with pytest.raises(OSError, match="there already"):
        fileio.copy(f"{root}/a/x.txt", f"{root}/a/b/y.txt")
    assert sorted(fileio.listdir(f"{root}/a")) == ["b", "x.txt"]
    assert fileio.glob(f"{root}/a/*.txt") == [f"{root}/a/x.txt"]
    assert [(d, sorted(names)) for d, _, names in fileio.walk(f"{root}/a")] == [
        (f"{root}/a", ["x.txt"]),
        (f"{root}/a/b", ["y.txt"]),
    ]
    assert fileio.isdir(f"{root}/a/b")
    fileio.rename(f"{root}/a/b/y.txt", f"{root}/a/z.txt")
    with fileio.open(f"{root}/a/z.txt") as file:
        assert file.read() == "x"
    fileio.stat(f"{root}/a/z.txt")
    fileio.remove(f"{root}/a/z.txt")
    assert not fileio.exists(f"{root}/a/z.txt")
    fileio.rmtree(f"{root}/a")
    assert not fileio.exists(f"{root}/a")
    with pytest.raises(fileio.NotFoundError):
        fileio.open(f"{root}/a/x.txt")

"""Values out of a rank: bit for bit, mapped, described without unpickling, and never the run's failure."""

import json
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_aicci.agent.values import (
    ValueUnavailableError,
    describe,
    describe_unpicklable,
    load_value,
    write_absence,
    write_value,
)

PRODUCER = {"run": "r0f3c2ab", "attempt": 1, "rank": 0}


def round_trip(folder, value):
    summary = write_value(folder, "value", value, PRODUCER)
    assert summary["error"] is None
    return load_value(folder, "value")


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@settings(deadline=None)  # fsync
@given(value=PLAIN)
def test_any_plain_value_comes_back_equal(tmp_path_factory, value):
    """Property over nested plain data."""
    assert round_trip(tmp_path_factory.mktemp("values"), value) == value


def test_arrays_lie_aligned_beside_the_pickle_and_come_back_writable(tmp_path):
    """The pickle stays small; writing to what was loaded changes no file."""
    arrays = {
        "a": np.arange(1000, dtype=np.float32),
        "b": np.ones((3, 5), order="F"),
        "empty": np.zeros(0),
        "s": np.float64(2),
    }
    arrays["strided"] = arrays["a"][::3]
    back = round_trip(tmp_path, arrays)
    for name, array in arrays.items():
        assert np.array_equal(back[name], array)
        assert back[name].dtype == array.dtype
    assert (tmp_path / "value.pkl").stat().st_size < 3000
    assert all(at % 64 == 0 for at, _ in json.loads((tmp_path / "value.json").read_text())["buffers"])
    before = (tmp_path / "value.bin").read_bytes()
    back["a"][:] = 7
    assert (tmp_path / "value.bin").read_bytes() == before
    assert load_value(tmp_path, "value")["a"][3] == 3


def test_the_summary_tells_form_size_and_origin(tmp_path):
    """What service and page see; nothing of the content."""
    summary = write_value(tmp_path, "history", {"loss": [0.5] * 200, "w": np.zeros((3, 4), np.float32)}, PRODUCER)
    assert summary == json.loads((tmp_path / "history.json").read_text())
    assert summary["type"] == "dict"
    assert summary["summary"] == "dict of 2: loss list of 200, w float32 (3, 4)"
    assert summary["size_bytes"] == sum((tmp_path / f"history.{end}").stat().st_size for end in ("pkl", "bin"))
    assert summary["producer"] == PRODUCER
    assert summary["versions"]["numpy"] == np.__version__


def test_a_changed_pickle_is_not_loaded(tmp_path):
    """The hash in the summary is checked before anything is unpickled."""
    write_value(tmp_path, "value", [1, 2, 3], PRODUCER)
    data = bytearray((tmp_path / "value.pkl").read_bytes())
    data[-3] ^= 1
    (tmp_path / "value.pkl").write_bytes(data)
    with pytest.raises(ValueUnavailableError, match="its hash is another"):
        load_value(tmp_path, "value")


def test_a_cut_off_array_file_is_an_error_with_words(tmp_path):
    """Copied half: not a crash on the first access."""
    write_value(tmp_path, "value", np.arange(100_000), PRODUCER)
    with (tmp_path / "value.bin").open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(ValueUnavailableError, match="shorter than its summary says"):
        load_value(tmp_path, "value")


def test_what_cannot_be_pickled_leaves_its_reason(tmp_path):
    """With the way to the part at fault; loading raises that reason."""
    summary = write_value(tmp_path, "cfg", {"model": [threading.Lock()]}, PRODUCER)
    assert summary["error"] == "cfg['model'][0]: cannot pickle '_thread.lock' object"
    with pytest.raises(ValueUnavailableError, match="cannot pickle"):
        load_value(tmp_path, "cfg")
    write_absence(tmp_path, "gone", "the program never bound gone", PRODUCER)
    with pytest.raises(ValueUnavailableError, match="never bound"):
        load_value(tmp_path, "gone")


def test_the_unpicklable_part_is_named_through_attributes_and_closures():
    """Attributes of objects, free variables of functions; values without fault have no name."""

    class Model:
        def __init__(self):
            self.lock = threading.Lock()

    model = Model()
    assert describe_unpicklable("cfg", {"net": model}) == "cfg['net'].lock: cannot pickle '_thread.lock' object"
    assert describe_unpicklable("f", lambda: model) == "f → model.lock: cannot pickle '_thread.lock' object"
    assert describe_unpicklable("fine", {"a": 1}) == ""


def test_a_value_that_raises_while_it_is_pickled_fails_nothing(tmp_path):
    """__reduce__ and __getstate__ of others are others' code."""

    class Hostile:
        def __reduce__(self):
            raise RuntimeError("no")

    assert write_value(tmp_path, "x", [Hostile()], PRODUCER)["error"] == "x[0]: no"


def test_described_without_showing_content():
    """Form only."""
    assert describe(np.zeros((2, 3))) == "float64 (2, 3)"
    assert describe("secret") == "str of 6"
    assert describe(3) == "3"
    assert describe(object()) == ""


@pytest.mark.torch
def test_torch_values_come_back_bit_for_bit_outside_the_pickle(tmp_path):
    """Modules, parameters, bfloat16, views, gradients wanted: equal, with their storage in the array file."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(300, 200), torch.nn.BatchNorm1d(200))
    value = {
        "net": net, "half": torch.randn(50, 3).bfloat16(), "view": torch.randn(40, 40).T[3:], "scalar": torch.tensor(2.0),
        "grad": torch.ones(3, requires_grad=True), "long": torch.arange(4), "empty": torch.zeros(0, 3),
        "scalar16": torch.tensor(2.0, dtype=torch.bfloat16), "bool": torch.tensor([True, False]),
        "complex": torch.randn(3).to(torch.complex64),
    }  # fmt: skip
    back = round_trip(tmp_path, value)
    for name, tensor in value.items():
        if name != "net":
            assert torch.equal(back[name], tensor), name
            assert (back[name].dtype, back[name].requires_grad) == (tensor.dtype, tensor.requires_grad)
    for (name, mine), theirs in zip(net.state_dict().items(), back["net"].state_dict().values(), strict=True):
        assert torch.equal(mine, theirs), name
    assert all(isinstance(parameter, torch.nn.Parameter) for parameter in back["net"].parameters())
    assert (tmp_path / "value.pkl").stat().st_size < 12_000


@pytest.mark.jax
def test_jax_arrays_come_back_as_numpy(tmp_path):
    """The notebook needs no backend to look at a result."""
    jnp = pytest.importorskip("jax.numpy")
    back = round_trip(tmp_path, {"w": jnp.arange(6.0).reshape(2, 3), "b": jnp.ones(3, jnp.bfloat16)})
    assert type(back["w"]) is np.ndarray
    assert np.array_equal(back["w"], np.arange(6.0).reshape(2, 3))
    assert str(back["b"].dtype) == "bfloat16"

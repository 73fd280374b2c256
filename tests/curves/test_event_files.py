"""Event files are written here byte by byte from the specifications of TFRecord, CRC-32C and protobuf."""

import struct
import warnings

import numpy as np
import pytest

from jaxphase import read
from jaxphase.curves.event_files import scalars

FLOAT, DOUBLE, INT32, STRING = 1, 2, 3, 7


def crc32c(data):
    """Bit by bit: RFC 3720, appendix B.4."""
    register = 0xFFFFFFFF
    for byte in data:
        for bit in range(8):
            low = (register ^ (byte >> bit)) & 1
            register = (register >> 1) ^ (0x82F63B78 if low else 0)
    return register ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    rotated = ((crc >> 15) | (crc << 17)) % 2**32
    return struct.pack("<I", (rotated + 0xA282EAD8) % 2**32)


def record(data):
    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def varint(value):
    groups = [value >> shift & 127 for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(group | 128 for group in groups[:-1]), groups[-1]])


def block(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def simple(tag, value):
    return block(1, tag.encode()) + varint(2 << 3 | 5) + struct.pack("<f", value)


def tensor(tag, kind, content, *dims):
    shape = b"".join(block(2, b"\x08" + varint(dim)) for dim in dims)
    return block(1, tag.encode()) + block(8, b"\x08" + varint(kind) + block(2, shape) + content)


def event(wall_time, step, *values):
    head = b"\x09" + struct.pack("<d", wall_time)
    # Steps of zero are left out, negative ones are two's complement of 64 bits.
    head += b"\x10" + varint(step % 2**64) if step else b""
    return record(head + block(5, b"".join(block(1, value) for value in values)))


VERSION = record(b"\x09" + struct.pack("<d", 1.7e9) + block(3, b"brain.Event:2"))


def write(path, *events):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(VERSION + b"".join(events))
    return path


def write_runs(folder, steps=(10, 200)):
    """Six sizes, two seeds: loss = 1 / size + step + seed / 4."""
    for size in range(1, 7):
        for seed in range(2):
            values = [event(t, t, simple("loss", 1 / size + t + seed / 4)) for t in steps]
            write(folder / f"gpt-{size}.5M-seed{seed}" / "events.out.tfevents.1700000000.host.1.0", *values)
    return folder


def test_the_writer_here_knows_the_check_value_of_crc_32c():
    assert crc32c(b"123456789") == 0xE3069283


def test_every_form_of_a_scalar_is_read_and_nothing_else(tmp_path):
    f, d = struct.pack("<f", 0.1), struct.pack("<d", 0.1)
    others = [
        tensor("vector", DOUBLE, block(4, d * 3), 3),
        tensor("filled", FLOAT, block(5, f), 3),
        tensor("nothing", FLOAT, b"", 0),
        tensor("text", STRING, block(8, b"hello")),
        tensor("whole", INT32, block(7, b"\x05")),
        block(1, b"histogram") + block(5, b"\x09" + d),
        block(1, b"image") + block(4, b"\x08\x20\x10\x20" + block(4, bytes(99))),
    ]
    path = write(
        tmp_path / "events.out.tfevents.1",
        event(1.5, 0, simple("simple", 0.1), *others),
        event(2.5, -3, tensor("contents", FLOAT, block(4, f))),
        event(3.5, 300, tensor("packed", FLOAT, block(5, f)), tensor("single", FLOAT, b"\x2d" + f)),
        event(4.5, 2**40, tensor("double", DOUBLE, block(6, d)), tensor("one", DOUBLE, block(4, d), 1, 1)),
        event(5.5, 1, tensor("zero", FLOAT, b""), simple("nan", np.nan)),
        record(b"\x09" + d + block(7, b"\x08\x01") + block(10, block(1, b"a writer")) + b"\xa0\x06\x01"),
    )
    found = list(scalars(path))
    assert [(s.wall_time, s.step, s.tag) for s in found] == [
        (1.5, 0, "simple"),
        (2.5, -3, "contents"),
        (3.5, 300, "packed"),
        (3.5, 300, "single"),
        (4.5, 2**40, "double"),
        (4.5, 2**40, "one"),
        (5.5, 1, "zero"),
        (5.5, 1, "nan"),
    ]
    np.testing.assert_array_equal([s.value for s in found], [*[float(np.float32(0.1))] * 4, 0.1, 0.1, 0, np.nan])


def test_records_of_tensorboard_itself_are_read(tmp_path):
    """As the EventFileWriter of TensorBoard 2.21 wrote a simple_value and tensors of make_tensor_proto, at step 10."""
    path = tmp_path / "a.tfevents.1"
    records = (
        "1a00000000000000129bd82d0947daebded0c1da41100a2a0d0a0b0a046c6f737315e8a8803e79fe6809",
        "1e00000000000000d9dc123209f7d6ebded0c1da412a130a110a03663332420a080112002a0400000000d2356794",
        "220000000000000078113dfd09bdd7ebded0c1da412a170a150a03663634420e08021200320800000000000000006944d07f",
    )
    path.write_bytes(b"".join(map(bytes.fromhex, records)))
    loss = np.float32(1e6**-0.1 + 10 / 1e5)
    assert [s[1:] for s in scalars(path)] == [(10, "loss", float(loss)), (0, "f32", 0), (0, "f64", 0)]


def test_a_folder_of_runs_becomes_curves_that_can_be_analysed(tmp_path):
    data = read(write_runs(tmp_path / "runs"), run="gpt-{size}-seed{seed}")
    assert data.loss.dims == ("size", "seed")
    np.testing.assert_array_equal(data.params, [1.5e6, 2.5e6, 3.5e6, 4.5e6, 5.5e6, 6.5e6])
    assert data.seed.values.tolist() == ["0", "1"]
    assert data.step == 200
    np.testing.assert_allclose(data.loss.sel(seed="1"), 200.25 + 1 / np.arange(1, 7), rtol=1e-6)
    every = read(tmp_path / "runs", run="gpt-{size}-seed{seed}", step="all")
    assert every.loss.dims == ("size", "seed", "step") and every.step.values.tolist() == [10, 200]
    for step, shift in ((10, -190), (200, 0)):
        np.testing.assert_allclose(every.loss.sel(step=step), data.loss + shift, rtol=1e-5)


def test_files_of_one_run_are_put_together_by_wall_time(tmp_path):
    folder = write_runs(tmp_path)
    run = folder / "gpt-1.5M-seed0"
    # Written after the restart, though first by name; of step 10 nothing new.
    write(run / "events.out.tfevents.0", event(500, 200, simple("loss", 7)), event(501, 201, simple("other", 1)))
    data = read(folder, y="loss", run="gpt-{size}-seed{seed}", step="all")
    assert data.loss.sel(size=1.5e6, seed="0").values.tolist() == [11, 7]


def test_a_size_may_be_a_tag_that_is_written_once(tmp_path):
    for i in range(5):
        first = event(0, 0, tensor("params", DOUBLE, block(6, struct.pack("<d", 10.0**i))))
        write(tmp_path / f"run_{i}" / "a.tfevents.1", event(1, 5, simple("loss", i)), first)
    data = read(tmp_path, x="params", y="loss")
    np.testing.assert_array_equal(data.params, 10.0 ** np.arange(5))
    assert data.loss.values.tolist() == [[0], [1], [2], [3], [4]]


def _cut(data, whole, last):
    return data[: whole + len(last) // 2]


def _length_changed(data, whole, last):
    return data[:whole] + b"\xff" + data[whole + 1 :]


def _sum_of_length_changed(data, whole, last):
    return data[: whole + 8] + bytes([data[whole + 8] ^ 1]) + data[whole + 9 :]


def _longer_than_memory(data, whole, last):
    length = struct.pack("<Q", 2**60)
    return data[:whole] + length + masked(length) + data[whole + 12 :]


def _value_changed(data, whole, last):
    return data[:-7] + bytes([data[-7] ^ 1]) + data[-6:]


def _checksum_cut(data, whole, last):
    return data[:-1]


def _header_cut(data, whole, last):
    return data[: whole + 11]


@pytest.mark.parametrize(
    "damage",
    [
        _cut,
        _header_cut,
        _checksum_cut,
        _length_changed,
        _sum_of_length_changed,
        _longer_than_memory,
        _value_changed,
    ],
)
def test_of_a_torn_file_what_is_whole_is_kept(tmp_path, damage):
    last = event(2, 20, simple("loss", 5))
    path = write(tmp_path / "a.tfevents.1", event(1, 10, simple("loss", 4)), last)
    whole = len(path.read_bytes()) - len(last)
    path.write_bytes(damage(path.read_bytes(), whole, last))
    with pytest.warns(UserWarning, match=rf"a\.tfevents\.1 is torn at byte {whole} of \d+: .*\.$"):
        assert [(s.step, s.value) for s in scalars(path)] == [(10, 4)]


def test_bytes_that_are_no_event_do_not_crash(tmp_path):
    """Records with right sums whose data are not Event protobufs, such as other TFRecords."""
    rng = np.random.default_rng(0)
    for i in range(300):
        path = write(tmp_path / "a.tfevents.1", event(1, 1, simple("loss", 2)))
        head = block(5, block(1, rng.bytes(12))) if i % 3 else rng.bytes(20)
        path.write_bytes(path.read_bytes() + record(head))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert next(scalars(path)).value == 2
            list(scalars(path))


def test_what_is_not_a_folder_of_runs_is_refused(tmp_path, refused):
    runs = write_runs(tmp_path / "runs")
    assert "run, such as" in refused(runs) and "gpt-1.5M-seed0" in refused(runs)
    assert "seeed" in refused(runs, run="gpt-{size}-seeed{seed}")
    assert "'accuracy'" in refused(runs, y="accuracy", run="gpt-{size}-seed{seed}")
    assert "size is 'gpt' in run 'gpt-1.5M-seed0'" in refused(runs, run="^{size}-")
    assert "such as 10, 200" in refused(runs, run="gpt-{size}-seed{seed}", step=11)
    # Without a seed in the pattern, runs are told apart by their names; one seed for all is a mistake.
    assert read(runs, run="gpt-{size}").sizes["seed"] == 2
    text = refused(runs, run="gpt-{size}-(?P<seed>seed)")
    assert "'gpt-1.5M-seed0' and 'gpt-1.5M-seed1'" in text
    (tmp_path / "empty").mkdir()
    assert "tfevents" in refused(tmp_path / "empty")
    one = next(runs.rglob("*.tfevents.*"))
    assert "1 different model sizes" in refused(one, run="gpt-{size}")
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "a.tfevents.1").write_bytes(b"")
    assert "'loss'" in refused(tmp_path / "none", x="step", y="loss")

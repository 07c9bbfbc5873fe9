"""Bodies of the Open Inference Protocol: what the contract tests cannot send, and the way back."""

import json

import numpy as np
import pytest

from service.http.tensors import MAX_JSON_BYTES, read_tensors, write_tensors
from service.problems import TensorInvalid, TooLarge

ENTRY = {"name": "waveform", "shape": [2], "datatype": "FP32"}


def test_the_json_of_a_request_is_bounded_and_its_bytes_are_not() -> None:
    with pytest.raises(TooLarge):
        read_tensors(memoryview(b" " * (MAX_JSON_BYTES + 1)), None)
    count = MAX_JSON_BYTES // 4 + 1
    entry = ENTRY | {"shape": [count], "parameters": {"binary_data_size": 4 * count}}
    header = json.dumps({"inputs": [entry]}).encode()
    values = np.arange(count, dtype="<f4")
    read = read_tensors(memoryview(header + values.tobytes()), str(len(header)))
    np.testing.assert_array_equal(read.inputs["waveform"], values)


def test_what_is_wanted_decides_the_form_of_each_output() -> None:
    outputs = {"a": np.ones((2, 3), np.float32), "b": np.zeros(2, np.float32)}
    for parameters, wanted, binary in (
        ({}, None, ""),
        ({"binary_data_output": True}, None, "ab"),
        ({"binary_data_output": True}, {"a": False}, "b"),
        ({}, {"a": True}, "a"),
    ):
        body = {"parameters": parameters, "inputs": [ENTRY | {"data": [0, 1]}]}
        if wanted:
            body["outputs"] = [{"name": name, "parameters": {"binary_data": form}} for name, form in wanted.items()]
        request = read_tensors(memoryview(json.dumps(body).encode()), None)
        content, size = write_tensors(request, "tiny", "1", outputs)
        document = json.loads(content[:size])
        assert "".join(one["name"] for one in document["outputs"] if "parameters" in one) == binary
        assert (size is None) == (not binary)
        assert len(content) - (size or len(content)) == sum(outputs[name].nbytes for name in binary)
        assert "id" not in document


def test_a_message_does_not_quote_what_was_sent() -> None:
    body = {"inputs": [ENTRY | {"data": [0, 1], "datatype": "a secret"}], "more secrets": 1}
    with pytest.raises(TensorInvalid) as refused:
        read_tensors(memoryview(json.dumps(body).encode()), None)
    assert "a secret" not in refused.value.detail

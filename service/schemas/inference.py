"""Requests and answers of the Open Inference Protocol's ``infer``, without what binary tensors hold."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from service.schemas.audio import Answer

Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Size = Annotated[int, Field(ge=1, le=2**31 - 1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())


class InputParameters(_Strict):
    """Parameters of an input."""

    binary_data_size: int | None = Field(None, ge=0, description="bytes of it behind the JSON, in place of `data`")


class InferInput(_Strict):
    """One tensor of a request."""

    name: Name = Field(examples=["waveform"])
    shape: list[Size] = Field(min_length=1, max_length=2, examples=[[1, 48000]])
    datatype: Literal["FP32", "INT64"]
    parameters: InputParameters | None = None
    data: list[Any] | None = Field(None, description="its values, row after row, flat or nested")


class OutputParameters(_Strict):
    """Parameters of an output."""

    binary_data: bool | None = Field(None, description="answer with it behind the JSON")


class InferOutput(_Strict):
    """One tensor that is wanted."""

    name: Name = Field(examples=["probabilities"])
    parameters: OutputParameters | None = None


class InferParameters(_Strict):
    """Parameters of a request."""

    binary_data_output: bool = Field(False, description="answer with every output behind the JSON")


class InferRequest(_Strict):
    """A request; ``outputs`` that are left out are all of the model's."""

    id: Annotated[str, StringConstraints(max_length=256)] | None = Field(None, description="comes back in the answer")
    parameters: InferParameters | None = None
    inputs: list[InferInput] = Field(min_length=1, max_length=2)
    outputs: list[InferOutput] | None = Field(None, max_length=16)


class OutputTensor(Answer):
    """One tensor of an answer."""

    name: str = Field(examples=["probabilities"])
    datatype: Literal["FP32"]
    shape: list[int] = Field(examples=[[1, 2]])
    data: list[float] | None = Field(None, description="row after row, flat", examples=[[0.91, 0.09]])
    parameters: dict[str, int] | None = Field(None, description="`binary_data_size` where it lies behind the JSON")


class InferAnswer(Answer):
    """An answer."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]

"""What the engine refuses, in the OpenAI form `{"error": {"message", "type", "code"}}`."""

from __future__ import annotations


class EngineError(Exception):
    """An answer that is not 2xx. `message` says what is wrong and what to do."""

    status = 500
    kind = "server_error"

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code

    def body(self) -> dict[str, object]:
        """The JSON of the answer; the same form is one frame of a stream that has begun."""
        return error_body(self.message, self.kind, self.code)


class BadRequest(EngineError):
    """400: the body, a field of it, or a prompt that does not fit the model."""

    status = 400
    kind = "invalid_request_error"

    def __init__(self, message: str, *, code: str = "invalid_request") -> None:
        super().__init__(message, code=code)


class Loading(EngineError):
    """503: the model is not loaded yet. Ask again."""

    status = 503

    def __init__(self) -> None:
        super().__init__("the model is loading; ask again in a second", code="model_loading")


class ModelFailed(EngineError):
    """500: the model gave an error after the request had been accepted."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="engine_error")


class CannotLoad(Exception):
    """The model's files cannot be read: the engine ends with this message."""


def error_body(message: str, kind: str, code: str) -> dict[str, object]:
    """An error in the OpenAI form."""
    return {"error": {"message": message, "type": kind, "code": code}}

"""What is wrong with an answer."""


class IllegalSvaml(Exception):
    """The platform would not take this answer; the text begins with the JSON path. Caught where the call is played."""

    def __init__(self, path: str, explanation: str) -> None:
        super().__init__(f"{path}: {explanation}")
        self.path = path
        self.explanation = explanation

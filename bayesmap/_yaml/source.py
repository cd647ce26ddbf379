"""The text of a YAML file: safe reading, and the lines that errors name."""

from collections.abc import Hashable, Sequence
from typing import Any

import yaml

from bayesmap.errors import ModelFileError

__all__ = ["YamlSource"]


class _Loader(yaml.SafeLoader):
    """Plain types only; a key that stands twice in a mapping is an error, as YAML 1.2 (section 3.2.1.3) demands."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            label, line = (key.tag, key.value), key.start_mark.line + 1
            if label in lines:
                message = f"key {key.value!r} stands twice in a mapping, in lines {lines[label]} and {line}"
                raise yaml.constructor.ConstructorError(None, None, message, key.start_mark)
            lines[label] = line
        return super().construct_mapping(node, deep)

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:  # a date that is none, a number of too many digits
            message = f"{node.value!r:.60} cannot be read: {error}"
            raise yaml.constructor.ConstructorError(None, None, message, node.start_mark) from None


class YamlSource:
    """Text of a YAML file, or none for data that do not come from a text.

    Parameters
    ----------
    text : str or None
        The text.
    name : str
        Name of the file; empty if there is none.
    error : type
        Class of the errors about the file.
    """

    def __init__(self, text: str | None = None, name: str = "", error: type[ValueError] = ModelFileError) -> None:
        self.text, self.name, self.error_class = text, name, error
        self._tree: Any = None

    def load(self) -> Any:
        """Return the text as plain data; only plain types are created.

        Raises
        ------
        ModelFileError
            Or the class of this source, if the text is not valid YAML, or a mapping has a key twice; the message
            gives the line.
        """
        try:
            return yaml.load(self.text or "", _Loader)
        except yaml.YAMLError as error:
            line, message = self._complaint(error)
            raise self.error(f"not valid YAML: {message}", line=line) from None
        except RecursionError:
            raise self.error("nested too deeply") from None

    def _complaint(self, error: yaml.YAMLError) -> tuple[int | None, str]:
        """Line and text of an error of the parser."""
        if isinstance(error, yaml.reader.ReaderError):
            character = f"{error.character:#x}" if isinstance(error.character, int) else repr(error.character)
            line = (self.text or "").count("\n", 0, error.position) + 1
            return line, f"character {character} is not allowed: {error.reason}"
        mark = getattr(error, "problem_mark", None)
        message = str(getattr(error, "problem", None) or error)
        context, start = getattr(error, "context", None), getattr(error, "context_mark", None)
        if context and start is not None:
            message += f" ({context} that starts in line {start.line + 1})"
        return None if mark is None else mark.line + 1, message

    def line(self, steps: Sequence[str | int]) -> int | None:
        """Line of an entry, counted from one.

        Parameters
        ----------
        steps : sequence of str or int
            Keys and list indices that lead to the entry. Where one does not exist, the last that does counts.

        Returns
        -------
        int or None
            None without a text, for the document as a whole, or for what only an alias names.
        """
        if self.text is None or not steps:
            return None
        if self._tree is None:
            self._tree = yaml.compose(self.text, _Loader)
        node, line = self._tree, None
        for step in steps:
            if isinstance(node, yaml.MappingNode):
                found = next(((k, v) for k, v in node.value if k.value == str(step)), None)
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                found = (node.value[step], node.value[step])
            else:
                found = None
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        return line

    def place(self, steps: Sequence[str | int] = (), line: int | None = None) -> str:
        """File and line, for example ``crab.yaml, line 14``; empty if neither is known."""
        line = self.line(steps) if line is None else line
        return ", ".join(part for part in (self.name, f"line {line}" if line else "") if part)

    def error(
        self, message: str, path: str = "", steps: Sequence[str | int] = (), line: int | None = None
    ) -> ValueError:
        """Return an error that names file, line and path inside the file, as far as they are known."""
        return self.error_class(": ".join(part for part in (self.place(steps, line), path, message) if part))

# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small changes of a Python file that some test should notice. Pure: text in, changes out.

Left out because no user notices: docstrings, annotations, decorators, texts for people (any string with a space, all
f-strings, hints), and what only a type checker reads.
"""

from __future__ import annotations

import ast
import copy
import typing as t

_COMPARISONS: t.Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPERATORS: t.Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
}
_PAIRS: t.Final = ("min max", "any all", "lower upper", "lstrip rstrip", "startswith endswith", "find rfind")
_NOTHING: t.Final = (None, False, "", b"")  # nobody tells one from the other; what else they are is another change
_OTHER_NAME: t.Final = {one: other for pair in _PAIRS for one, other in (pair.split(), pair.split()[::-1])}


class Mutant(t.NamedTuple):
    """One change. first_line and last_line: of the statement in it that runs, or whose condition is evaluated."""

    start: int  # bytes of the file in UTF-8
    end: int
    replacement: str
    kind: str
    line: int
    first_line: int
    last_line: int
    function: str  # the outermost function or method around it; empty where the module itself is changed
    defines: str  # the name that the changed statement gives to a value outside functions; or empty

    def applied(self, source: str) -> str:
        """The whole file with this change."""
        data = source.encode()
        return (data[: self.start] + self.replacement.encode() + data[self.end :]).decode()


def mutants(source: str) -> list[Mutant]:
    """All changes, in the order of the file. Each compiles."""
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    found = sorted(set(finder.found), key=lambda mutant: (mutant.start, mutant.end, mutant.replacement))
    return [mutant for mutant in found if _compiles(mutant.applied(source))]


def _compiles(source: str) -> bool:
    try:
        compile(source, "mutant", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


class _Finder(ast.NodeVisitor):
    def __init__(self, source: str) -> None:
        self.found: list[Mutant] = []
        self._line_starts = [0]
        for line in source.encode().split(b"\n"):
            self._line_starts.append(self._line_starts[-1] + len(line) + 1)
        self._scopes: list[str] = []  # classes and functions around
        self._function = ""
        self._statement = (0, 0)
        self._defines = ""

    # --- where we are ---

    def visit(self, node: ast.AST) -> None:
        """Note the lines of each statement, of a compound one those of its head."""
        if not isinstance(node, ast.stmt):
            super().visit(node)
            return
        before = self._statement
        body = getattr(node, "body", None)
        last = body[0].lineno - 1 if body else node.end_lineno or node.lineno
        self._statement = (node.lineno, max(node.lineno, last))
        super().visit(node)
        self._statement = before

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._scopes.append(node.name)
        self._each(node.body)
        self._scopes.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._scopes.append(node.name)
        outermost = not self._function
        if outermost:  # defaults are evaluated with the module, but it is calls that show them
            self._function = ".".join(self._scopes)
        body = node.body[0]
        self._statement = (body.lineno, body.end_lineno or body.lineno)
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.visit(default)
        self._each(node.body)
        if outermost:
            self._function = ""
        self._scopes.pop()

    def _each(self, nodes: t.Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)

    def _add(self, node: ast.AST, replacement: ast.AST | str, kind: str) -> None:
        assert isinstance(node, (ast.expr, ast.stmt))
        if isinstance(replacement, ast.AST):
            simple = isinstance(replacement, (ast.Constant, ast.Name, ast.Attribute, ast.Call, ast.Slice, ast.stmt))
            text = ast.unparse(ast.fix_missing_locations(replacement))
            replacement = text if simple else f"({text})"
        first, last = self._statement
        self.found.append(
            Mutant(
                start=self._line_starts[node.lineno - 1] + node.col_offset,
                end=self._line_starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0),
                replacement=replacement,
                kind=kind,
                line=node.lineno,
                first_line=first,
                last_line=last,
                function=self._function,
                defines="" if self._function else self._defines,
            )
        )

    def _condition(self, node: ast.expr) -> None:
        if not (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)):
            self._add(node, ast.UnaryOp(ast.Not(), node), "condition negated")

    # --- statements ---

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return  # a docstring
        if not isinstance(node.value, (ast.Yield, ast.YieldFrom)):
            self._add(node, "pass", "statement removed")
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        target = node.targets[0]
        if isinstance(target, ast.Name):
            self._defines = target.id
            if target.id == "__all__":
                return
        elif isinstance(target, (ast.Attribute, ast.Subscript)):
            self._add(node, "pass", "statement removed")
        self.visit(node.value)
        self._each(target for target in node.targets if not isinstance(target, ast.Name))
        self._defines = ""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._defines = node.target.id if isinstance(node.target, ast.Name) else ""
        self._each([node.value])
        self._defines = ""

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._add(node, "pass", "statement removed")
        if other := _OPERATORS.get(type(node.op)):
            self._add(node, ast.AugAssign(node.target, other(), node.value), "operator")
        self.visit(node.value)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None:
            if not isinstance(node.value, ast.Constant) or node.value.value not in _NOTHING:
                self._add(node, "return None", "returns None")
            self.visit(node.value)

    def visit_Raise(self, node: ast.Raise) -> None:
        if isinstance(node.exc, ast.Name) and node.exc.id == "AssertionError":
            return
        self._add(node, "pass", "statement removed")
        self._each([node.exc])

    def visit_Break(self, node: ast.Break) -> None:
        self._add(node, "continue", "loop")

    def visit_Continue(self, node: ast.Continue) -> None:
        self._add(node, "break", "loop")

    def visit_Delete(self, node: ast.Delete) -> None:
        self._add(node, "pass", "statement removed")

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) not in ("t.TYPE_CHECKING", "TYPE_CHECKING"):
            self._condition(node.test)
            self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        self._condition(node.test)
        self.generic_visit(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if isinstance(node.type, ast.Tuple):
            for index in range(len(node.type.elts)):
                fewer = node.type.elts[:index] + node.type.elts[index + 1 :]
                self._add(node.type, ast.Tuple(fewer, ast.Load()), "exception not caught")
        self._each(node.body)

    # --- expressions ---

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._condition(node.test)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for condition in node.ifs:
            self._add(condition, "True", "condition dropped")
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for index in range(len(node.values)):
            fewer = node.values[:index] + node.values[index + 1 :]
            self._add(node, fewer[0] if len(fewer) == 1 else ast.BoolOp(node.op, fewer), "operand dropped")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        for index, operator in enumerate(node.ops):
            if other := _COMPARISONS.get(type(operator)):
                changed = copy.copy(node)
                changed.ops = [*node.ops[:index], other(), *node.ops[index + 1 :]]
                self._add(node, changed, "comparison")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if other := _OPERATORS.get(type(node.op)):
            self._add(node, ast.BinOp(node.left, other(), node.right), "operator")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        self._add(node, node.operand, "sign dropped")
        self.generic_visit(node)

    def visit_Slice(self, node: ast.Slice) -> None:
        if node.lower is not None:
            self._add(node, ast.Slice(None, node.upper, node.step), "bound dropped")
        if node.upper is not None:
            self._add(node, ast.Slice(node.lower, None, node.step), "bound dropped")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in ("cast", "TypeVar", "NewType"):
            self._each(node.args[1:])
            return
        if other := _OTHER_NAME.get(name):
            changed = copy.deepcopy(node.func)
            if isinstance(changed, ast.Attribute):
                changed.attr = other
            elif isinstance(changed, ast.Name):
                changed.id = other
            self._add(node.func, changed, "another function")
        keywords = [keyword for keyword in node.keywords if keyword.arg not in ("hint", None)]
        for keyword in keywords:
            fewer = [other for other in node.keywords if other is not keyword]
            self._add(node, ast.Call(node.func, node.args, fewer), f"argument {keyword.arg} dropped")
        self._each([node.func, *node.args, *(keyword.value for keyword in keywords)])

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """A text for people."""

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self._add(node, ast.Constant(not value), "constant")
        elif isinstance(value, (int, float)):
            self._add(node, ast.Constant(value + 1), "constant")
        elif isinstance(value, bytes) or (isinstance(value, str) and " " not in value and "\n" not in value):
            filled = b"XX" if isinstance(value, bytes) else "XX"
            self._add(node, ast.Constant(value[:0] if value else filled), "constant")

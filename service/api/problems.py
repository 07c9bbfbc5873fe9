"""``/v1/problems``: every error code, what it means and its status."""

from __future__ import annotations

import inspect

from fastapi import APIRouter

from service.api.openapi.documentation import PROBLEM_RESPONSES, problem_responses
from service.http.problem_response import problem_type
from service.problems import NotFound, Problem, all_problems
from service.schemas.about import ProblemEntry, ProblemsAnswer

router = APIRouter(tags=["about"])


@router.get("/v1/problems", operation_id="list_problems", summary="All errors", responses=PROBLEM_RESPONSES)
async def list_problems() -> ProblemsAnswer:
    """Every error that this service can answer with. A code never changes its meaning."""
    return ProblemsAnswer(problems=[_entry(kind) for kind in all_problems()])


@router.get(
    "/v1/problems/{code}",
    operation_id="read_problem",
    summary="One error",
    responses=PROBLEM_RESPONSES | problem_responses(NotFound),
)
async def read_problem(code: str) -> ProblemEntry:
    """What one error code means. The `type` of every error leads here."""
    for kind in all_problems():
        if kind.code == code:
            return _entry(kind)
    raise NotFound("There is no such problem.")


def _entry(kind: type[Problem]) -> ProblemEntry:
    return ProblemEntry(
        type=problem_type(kind.code),
        code=kind.code,
        status=kind.status,
        title=kind.title,
        description=inspect.cleandoc(kind.__doc__ or kind.title),
    )

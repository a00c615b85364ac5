"""The roster: the school's units, people and posts, imported from one sheet. Rules: design, Roster.

On the way of a sheet: `open_sheet` reads it, `lay_out` cleans it onto a bench, `take_down` puts the database beside it, `settle`
checks the rows against each other, `compare` counts what would happen; `begin`, `stage`, `decide` keep that as steps, and
`resume_import` applies them in short transactions, whoever calls it.
"""

from models.roster.applying import Applied, begin, decide, resume_import, stage, totals_of
from models.roster.checking import settle
from models.roster.columns import HEADERS, Column, SchoolNames
from models.roster.comparing import Change, Totals, changes, compare, endings, steps, take_down
from models.roster.draft import Draft, Problem, new_draft
from models.roster.laying import lay_out
from models.roster.reading import SheetError
from models.roster.template import write_template

__all__ = [
    "HEADERS",
    "Applied",
    "Change",
    "Column",
    "Draft",
    "Problem",
    "SchoolNames",
    "SheetError",
    "Totals",
    "begin",
    "changes",
    "compare",
    "decide",
    "endings",
    "lay_out",
    "new_draft",
    "resume_import",
    "settle",
    "stage",
    "steps",
    "take_down",
    "totals_of",
    "write_template",
]

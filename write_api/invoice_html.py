"""The document of an invoice as a page that stands for itself: no script, nothing from elsewhere,
and every word of it escaped.
"""

from typing import Any, cast

from jinja2 import Environment, StrictUndefined

from domain.identifiers import JsonObject
from write_api.invoice_words import days, headline, parties, period_words, quantity, totals

PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ headline }}</title>
<style>
body { font: 14px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; }
.parties { display: flex; gap: 3rem; flex-wrap: wrap; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; padding: .35rem .5rem; border-bottom: 1px solid #ddd;
  vertical-align: top; }
.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.small { color: #555; font-size: 12px; overflow-wrap: anywhere; }
</style>
</head>
<body>
<h1>{{ headline }}</h1>
<p>{{ period }}</p>
<div class="parties">
{% for title, lines in parties %}<section><strong>{{ title }}</strong>
{% for line in lines %}<br>{{ line }}
{% endfor %}</section>
{% endfor %}</div>
<table>
<thead><tr><th>#</th><th>Description</th><th>Period</th><th class="n">Quantity</th><th>Unit</th>
<th class="n">{{ document.currency }}</th><th class="n">Tax %</th>
<th class="n">Tax</th></tr></thead>
<tbody>
{% for line in document.lines %}<tr><td>{{ line.line }}</td><td>{{ line.description }}</td>
<td>{{ days(document, line) | join(" &ndash; " | safe) }}</td>
<td class="n">{{ quantity(line) }}</td><td>{{ line.unit }}</td><td class="n">{{ line.amount }}</td>
<td class="n">{{ line.tax_percent }}</td><td class="n">{{ line.tax }}</td></tr>
{% endfor %}</tbody>
</table>
<table>
{% for name, amount in totals %}<tr><td>{{ name }}</td>
<td class="n">{{ amount }} {{ document.currency }}</td></tr>
{% endfor %}</table>
{% if document.unpriced %}<h2>Used without a known price: not charged</h2>
<table>
{% for one in document.unpriced %}<tr><td>{{ one.model }}</td><td>{{ one.description }}</td>
<td class="n">{{ one.quantity }}</td></tr>
{% endfor %}</table>
{% endif %}{% if document.held %}<p>Of {{ document.held }} calls it is not known yet what they used;
they are not on this invoice.</p>
{% endif %}<p class="small">Made of {{ document.facts.count }} facts,
SHA-256 {{ document.facts.sha256 }}.
1 USD is {{ document.usd_rate }} {{ document.currency }}.</p>
</body>
</html>
"""

_TEMPLATE = Environment(
    autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
).from_string(PAGE)


def invoice_html(document: JsonObject) -> bytes:
    told = cast("dict[str, Any]", document)
    page = _TEMPLATE.render(
        document=told,
        headline=headline(told),
        period=period_words(told),
        parties=parties(told),
        totals=totals(told),
        days=days,
        quantity=quantity,
    )
    return page.encode()

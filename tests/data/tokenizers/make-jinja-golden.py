#!/usr/bin/env python3
"""Writes jinja_golden.json: templates rendered by Jinja2 itself, in the environment in which transformers compiles chat templates. Needs jinja2."""
import datetime
import json
import os
import re

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(Extension):
    tags = {"generation"}

    def parse(self, parser):
        lineno = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_run"), [], [], body).set_lineno(lineno)

    def _run(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


NOW = datetime.datetime(2026, 3, 5, 7, 8, 9)
env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
env.filters["tojson"] = tojson
env.globals["raise_exception"] = raise_exception
env.globals["strftime_now"] = lambda format: NOW.strftime(format)

LLAMA31 = """{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not tools_in_user_message is defined %}
    {%- set tools_in_user_message = true %}
{%- endif %}
{%- if not date_string is defined %}
    {%- set date_string = "26 Jul 2024" %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}

{#- This block extracts the system message, so we can slot it into the right place. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}

{#- System message + builtin tools #}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if builtin_tools is defined or tools is not none %}
    {{- "Environment: ipython\\n" }}
{%- endif %}
{%- if builtin_tools is defined %}
    {{- "Tools: " + builtin_tools | reject('equalto', 'code_interpreter') | join(", ") + "\\n\\n"}}
{%- endif %}
{{- "Cutting Knowledge Date: December 2023\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{%- if tools is not none and not tools_in_user_message %}
    {{- "You have access to the following functions. To call a function, please respond with JSON for a function call." }}
    {{- 'Respond in the format {"name": function name, "parameters": dictionary of argument name and its value}.' }}
    {{- "Do not use variables.\\n\\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<|eot_id|>" }}

{#- Custom tools are passed in a user message with some extra guidance #}
{%- if tools_in_user_message and not tools is none %}
    {#- Extract the first user message so we can plug it in here #}
    {%- if messages | length != 0 %}
        {%- set first_user_message = messages[0]['content']|trim %}
        {%- set messages = messages[1:] %}
    {%- else %}
        {{- raise_exception("Cannot put tools in the first user message when there's no first user message!") }}
{%- endif %}
    {{- '<|start_header_id|>user<|end_header_id|>\\n\\n' -}}
    {{- "Given the following functions, please respond with a JSON for a function call " }}
    {{- "with its proper arguments that best answers the given prompt.\\n\\n" }}
    {{- 'Respond in the format {"name": function name, "parameters": dictionary of argument name and its value}.' }}
    {{- "Do not use variables.\\n\\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
    {{- first_user_message + "<|eot_id|>"}}
{%- endif %}

{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("This model only supports single tool-calls at once!") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {%- if builtin_tools is defined and tool_call.name in builtin_tools %}
            {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
            {{- "<|python_tag|>" + tool_call.name + ".call(" }}
            {%- for arg_name, arg_val in tool_call.arguments | items %}
                {{- arg_name + '="' + arg_val + '"' }}
                {%- if not loop.last %}
                    {{- ", " }}
                {%- endif %}
                {%- endfor %}
            {{- ")" }}
        {%- else  %}
            {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
            {{- '{"name": "' + tool_call.name + '", ' }}
            {{- '"parameters": ' }}
            {{- tool_call.arguments | tojson }}
            {{- "}" }}
        {%- endif %}
        {%- if builtin_tools is defined %}
            {#- This means we're in ipython mode #}
            {{- "<|eom_id|>" }}
        {%- else %}
            {{- "<|eot_id|>" }}
        {%- endif %}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "Weather \"now\" in a café\n", "parameters": {"type": "object",
         "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": 3, "maximum": 1.5e3}, "unit": {"enum": ["c", "f", None, True]}, "empty": {}, "none": []},
         "required": ["city"]}}}]
USER = {"role": "user", "content": "  How is the weather in Łódź? "}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"type": "function", "id": "1", "function": {"name": "get_weather", "arguments": {"city": "Łódź", "days": "2"}}}]}
RESULT = {"role": "tool", "content": {"temperature": 21.5, "sky": "clear"}}
SYSTEM = {"role": "system", "content": " Be brief.\n"}

VALUES = {"bos_token": "<s>", "text": "Hello, World", "words": ["b", "A", "c", "a"], "numbers": [3, 1, 2, 2], "empty": [], "nothing": None, "yes": True, "no": False,
          "dict": {"b": 1, "a": [1, 2.5, None, "x\n'y'"], "C": {"k": "v"}}, "users": [{"name": "Ann", "age": 31, "on": True}, {"name": "bob", "age": 25, "on": False}, {"name": "Cy", "age": 31}],
          "emoji": "a😀é👩‍👧", "n": 7, "pi": 3.14159, "big": 1e22, "small": 1.5e-7, "html": "<a href=\"x\">'&'</a>", "sentence": "the quick  brown fox's den-mother\n second line"}

SNIPPETS = r"""
{{ text }}|{{ n }}|{{ pi }}|{{ big }}|{{ small }}|{{ yes }}|{{ nothing }}|{{ missing }}|{{ numbers }}|{{ dict }}|{{ (1, 'a') }}|{{ (1,) }}|{{ () }}
{{ 1.0 }} {{ 1e3 }} {{ 100000000000000000.0 }} {{ 1e15 }} {{ 1234567890123456.0 }} {{ 0.0001 }} {{ 0.00001 }} {{ -0.5 }} {{ 2/4 }} {{ 7//2 }} {{ -7//2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 2**10 }} {{ 2**-1 }} {{ 7.5 // 2 }} {{ 1_000 }}
{{ 1 + 2 * 3 - 4 / 2 }} {{ (1 + 2) * 3 }} {{ -n }} {{ +n }} {{ - n + 1 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }}
{{ "a" ~ 1 ~ none ~ 2.0 ~ true }} {{ "ab" * 3 }} {{ [1] + [2] }} {{ [0] * 3 }} {{ "%s is %d, %.2f%%" % ("x", 3, 2.5) }} {{ "%5s|%-5s|%05d" % ("a", "b", 42) }}
{{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }} {{ 1 == 1.0 }} {{ true == 1 }} {{ "a" != "b" }} {{ [1, 2] == [1, 2] }} {{ (1, 2) == [1, 2] }} {{ "a" < "b" }} {{ [1, 2] < [1, 3] }} {{ none == none }}
{{ 1 in numbers }} {{ 9 not in numbers }} {{ "b" in dict }} {{ "ell" in text }} {{ not 1 in numbers }} {{ not yes }} {{ yes and "x" }} {{ no or "y" }} {{ 0 or none }} {{ "" and 1 }}
{{ "a" if yes else "b" }} {{ "a" if no }}| {{ "x" if no else "y" if no else "z" }}
{{ text[0] }} {{ text[-1] }} {{ text[1:4] }} {{ text[::-1] }} {{ text[:-3] }} {{ text[-3:] }} {{ text[::2] }} {{ text[99:] }}| {{ numbers[1:] }} {{ numbers[::-1] }} {{ numbers[-2:0:-1] }} {{ numbers[5] }}| {{ numbers.1 }}
{{ emoji[1] }} {{ emoji|length }} {{ emoji[::-1] }} {{ emoji[1:3] }} {{ emoji|upper }} {{ emoji|list }}
{{ dict.a }} {{ dict['b'] }} {{ dict.items()|list }} {{ dict.keys()|list }} {{ dict.values()|list }} {{ dict.get('z') }} {{ dict.get('z', 5) }} {{ dict.C.k }} {{ dict.zz }}| {{ dict['items'] is defined }}
{{ users|map(attribute='name')|join(', ') }} {{ users|map('length')|list }} {{ words|map('upper')|join }} {{ words|map('replace', 'a', 'z')|list }} {{ users|map(attribute='on', default='?')|list }}
{{ users|selectattr('on')|map(attribute='name')|list }} {{ users|selectattr('age', 'equalto', 31)|map(attribute='name')|list }} {{ users|rejectattr('age', 'gt', 30)|list }} {{ numbers|select('odd')|list }} {{ numbers|reject('in', [1, 2])|list }} {{ [0, 1, '', 'a']|select|list }} {{ users|selectattr('on', 'defined')|list|length }}
{{ words|sort }} {{ words|sort(reverse=true) }} {{ words|sort(case_sensitive=true) }} {{ users|sort(attribute='age')|map(attribute='name')|list }} {{ users|sort(attribute='age,name')|length if false else 3 }} {{ words|unique|list }} {{ numbers|unique|list }} {{ words|reverse|list }} {{ text|reverse }}
{{ numbers|sum }} {{ numbers|max }} {{ numbers|min }} {{ users|sum(attribute='age') }} {{ numbers|first }} {{ numbers|last }} {{ empty|first }}| {{ empty|max }}| {{ numbers|length }} {{ numbers|count }}
{{ dict|dictsort }} {{ dict|dictsort(true) }} {{ {'a': 2, 'b': 1}|dictsort(by='value') }} {{ dict|items|list }} {{ dict|list }} {{ users|groupby('age')|list|length }} {% for age, group in users|groupby('age') %}{{ age }}:{{ group|map(attribute='name')|join('+') }};{% endfor %}
{{ dict|tojson }} {{ dict|tojson(indent=2) }} {{ "é😀\u2028</x>"|tojson }} {{ "é😀"|tojson(ensure_ascii=true) }} {{ {'b': 1, 'a': 2}|tojson(sort_keys=true) }} {{ dict|tojson(separators=(',', ':')) }} {{ [1.0, 1e22, true, none, "\x01\x7f\t"]|tojson }} {{ []|tojson(indent=2) }} {{ {}|tojson(indent=2) }} {{ {'a': [], 'b': [1, {'c': {}}]}|tojson(indent=4) }} {{ (1, 2)|tojson }} {{ {1: 2, none: 3, true: 4}|tojson }}
{{ "  x y ".strip() }}| {{ "  x ".lstrip() }}| {{ "  x ".rstrip() }}| {{ "xxyxx".strip('x') }} {{ "\n\nx\n".lstrip('\n') }}| {{ "  x "|trim }}| {{ "..x."|trim('.') }}
{{ "a,b,,c".split(',') }} {{ " a  b c ".split() }} {{ "a b c".split(' ', 1) }} {{ "a  b  c ".split(none, 1) }} {{ "a,b,c".rsplit(',', 1) }} {{ " a b  c ".rsplit(none, 1) }} {{ "a\nb\r\nc\n".splitlines() }} {{ "abc".partition('b') }} {{ "abc".rpartition('z') }} {{ "".split(',') }} {{ "".split() }}
{{ text.startswith('He') }} {{ text.startswith(('x', 'H')) }} {{ text.endswith('d') }} {{ text.upper() }} {{ text.lower() }} {{ text.replace('l', 'L', 2) }} {{ text.replace('', '-') }} {{ text.find('o') }} {{ text.rfind('o') }} {{ text.find('zz') }} {{ text.count('l') }} {{ "-".join(['a', 'b']) }} {{ "x".zfill(3) }} {{ "-5".zfill(4) }} {{ "a".center(4, '*') }} {{ "abc".center(6, '*') }} {{ "ab".center(5) }}| {{ "a".ljust(3) }}| {{ "a".rjust(3) }}|
{{ "fOO bar's".title() }} {{ "fOO bar's ba-z (qux) a_b"|title }} {{ "fOO BAR"|capitalize }} {{ "ÉCOLE é"|lower }} {{ "straße"|upper if false else 'x' }} {{ "12".isdigit() }} {{ "a1".isalnum() }} {{ "ab".isalpha() }} {{ " ".isspace() }} {{ "AB".isupper() }} {{ "ab1".islower() }} {{ "aB".swapcase() }} {{ "unhappy".removeprefix('un') }} {{ "a.py".removesuffix('.py') }} {{ "{} and {1} {x}".format('a', 'b', x=3) if false else "{0} {1} {x}".format('a', 'b', x=3) }} {{ "{}{}".format(1, none) }}
{{ missing|default('d') }} {{ nothing|default('d') }} {{ nothing|default('d', true) }} {{ ''|d('e', boolean=true) }} {{ missing.x|default('y') if false else 'q' }} {{ missing is defined }} {{ missing is none }} {{ missing|length }} {{ missing|list }} {{ missing == missing2 }} {{ 'a' in missing }} {{ missing ~ 'x' }}
{{ "42"|int }} {{ "x"|int }} {{ "x"|int(5) }} {{ 3.9|int }} {{ "3.9"|int }} {{ "0x1f"|int(0, 16) }} {{ "1.5"|float }} {{ "x"|float }} {{ 5|float }} {{ -5|abs }} {{ 2.567|round(1) }} {{ 2.5|round }} {{ 3.5|round }} {{ 2.1|round(method='ceil') }} {{ 2.9|round(0, 'floor') }} {{ 5|string ~ 'x' }} {{ true|int }}
{{ n is number }} {{ pi is float }} {{ n is integer }} {{ yes is boolean }} {{ yes is integer }} {{ text is string }} {{ dict is mapping }} {{ numbers is iterable }} {{ numbers is sequence }} {{ dict is sequence }} {{ text is iterable }} {{ n is iterable }} {{ nothing is none }} {{ n is odd }} {{ n is even }} {{ n is divisibleby 7 }} {{ n is divisibleby(2) }} {{ 'a' is in words }} {{ n is eq 7 }} {{ n is ne(7) }} {{ n is gt 3 }} {{ n is le 3 }} {{ 'abc' is lower }} {{ 'ABC' is upper }} {{ n is not odd }} {{ nothing is sameas none }} {{ yes is true }} {{ no is false }} {{ 1 is true }} {{ text is mapping }} {{ range is callable }} {{ text is undefined }} {{ n is lessthan 8 and n is greaterthan 6 }}
{% for x in numbers %}{{ loop.index }}/{{ loop.length }}:{{ x }}{{ "," if not loop.last }}{% endfor %} {% for x in numbers if x > 1 %}{{ loop.index0 }}{{ x }}{{ loop.first }}{{ loop.revindex }}{{ loop.revindex0 }} {% else %}none{% endfor %}{% for x in empty %}x{% else %}empty{% endfor %}
{% for k, v in dict.items() %}{{ k }}={{ v }};{% endfor %}{% for k in dict %}{{ k }}{% endfor %}{% for c in "añ😀" %}<{{ c }}>{% endfor %}{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for x in numbers %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {{ loop.cycle('a', 'b') }} {{ loop.changed(x) }};{% endfor %}{% for x in [1, 2] %}{% for y in [3, 4] %}{{ loop.depth }}{{ x }}{{ y }} {% endfor %}{{ loop.index }}{% endfor %}
{% for x in range(10) %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 5 %}{% break %}{% endif %}{{ x }}{% endfor %} {{ range(5)|list }} {{ range(2, 10, 3)|list }} {{ range(5, 0, -2)|list }} {{ range(0)|list }}
{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }} {% set ns = namespace(v=0, s='') %}{% for i in [1, 2, 3] %}{% set ns.v = ns.v + i %}{% set ns.s = ns.s ~ i %}{% endfor %}{{ ns.v }}{{ ns.s }} {% set a, b = 1, 2 %}{{ a }}{{ b }} {% set t = 1, 2 %}{{ t }} {% if yes %}{% set y = 5 %}{% endif %}{{ y }}
{% set block %}  in {{ n }} {% endset %}[{{ block }}] {% set up | upper | trim %} abc {% endset %}[{{ up }}] {% filter upper %}f {{ text }}{% endfilter %}
{% macro m(a, b=2, c='x') %}({{ a }}{{ b }}{{ c }}{{ varargs }}{{ kwargs }}){% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(1, c='y') }}{{ m(1, 2, 3, 4, 5) }}{{ m(1, z=9) }}{{ m() }}
{% macro wrap(tag) %}<{{ tag }}>{{ caller() }}</{{ tag }}>{% endmacro %}{% call wrap('b') %}bold {{ n }}{% endcall %} {% macro each(items) %}{% for i in items %}{{ caller(i) }}{% endfor %}{% endmacro %}{% call(i) each([1, 2]) %}[{{ i }}]{% endcall %} {% macro rec(n) %}{{ n }}{% if n > 0 %}{{ rec(n - 1) }}{% endif %}{% endmacro %}{{ rec(3) }}
{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a }}| {% raw %}{{ not }} {% this %}{% endraw %} {# comment #}after {% generation %}gen {{ n }}{% endgeneration %}
{{ "a\tb\\n\x41\u00e9\"'" }} {{ 'it''s' }} {{ "line
two" }} {{ 'x' 'y' }} {{ "\U0001F600" }} {{ '\q' }} {{ {'a': {'b': 1}}.a.b }} {{ {'x': 1, "y": [1, 2,],} }} {{ [1, 2,] }} {{ [] }} {{ {} }}
{{ sentence|wordcount }} {{ sentence|indent }} {{ sentence|indent(2, true) }} {{ "a\n\nb"|indent(width='--') }} {{ "a\n\nb"|indent(2, blank=true) }} {{ sentence|truncate(12) }} {{ sentence|truncate(12, true, '..') }} {{ html|escape }} {{ html|e }} {{ html|safe }} {{ numbers|batch(3)|list }} {{ numbers|batch(3, 0)|list }} {{ text|center(20) }}| {{ numbers|join('-') }} {{ users|join('/', attribute='name') }}
{{ strftime_now("%d %b %Y") }} {{ strftime_now("%A, %B %-d, %Y %H:%M:%S %I %p %j %y-%m %%") }} {{ dict|attr('b') }}| {{ namespace(a=1).a }} {% set j = joiner('|') %}{{ j() }}a{{ j() }}b{{ j() }}c
{{ words.index('A') }} {{ numbers.count(2) }} {{ "a"|string|upper|lower }} {{ (n + 1)|string }} {{ n + 1|int }} {{ "x"|upper ~ "y"|lower }} {{ -3|abs }} {{ (-3)|abs }} {{ numbers|length > 3 and text|length == 12 }} {{ not text|length == 1 }} {{ text is string and n is number }} {{ 'a' ~ ('b' if yes) }}
{{ [1, [2, 3]]|tojson }} {{ "\\"|tojson }} {{ text|list|length }} {{ "%r" % "it's" }} {{ ["it's", 'a"b', "\n\t\\", "\x00é\xa0\u200b😀"] }} {{ {1: 'a', none: 'b', 2.5: 'c'} }} {{ 12345678901234567890 }} {{ 12345678901234567890 + 1 }} {{ 9223372036854775807 + 1 }} {{ 1 / 3 }} {{ 1e100 }} {{ 5.0e-324 }} {{ 123456.789e3 }} {{ 0.1 + 0.2 }}
""".strip()

WHITESPACE = [
    "  {% if yes %}\n  a\n  {% endif %}\n  b\n", "{% if yes %}a{% endif %}\nb", "x\n    {%- if yes %}\n  a  {%- endif -%}\n  b", "a {{- n -}} b {{ n }}\n\nc\n\n", "\n\n{{ n }}\n", "  {#- c -#}  x", "  {# c #}\n  x",
    "  {% set a = 1 %}  x {% set b = 2 %}\ny", "a\n  {%+ if yes %}b{% endif %}", "{% for i in [1,2] %}\n  - {{ i }}\n{% endfor %}\nend", "{% for i in [1,2] -%}\n  - {{ i }}\n{% endfor %}", "a\r\nb{{ n }}\r\n", "{% if yes +%}\nx{% endif %}",
    "\t{% if yes %}x\t{% endif %}\n\t{{ n }}\n", "{{ '\n' }}x", "{% raw -%}\n  {{ x }}\n{%- endraw %}\n  y", "a\n  {% raw %}\n b {% endraw %}\nc", "{% if yes %}\n\n{% endif %}|", "{{ n }}  {% if yes %}  {% endif %}  |", "x{# a\nb #}\n  {# c #}  y\n",
    "{%- macro a() -%}\n  x\n{%- endmacro -%}\n{{ a() }}", "\u3000{% if yes %}x{% endif %}", "{% if yes %}{# c #}\n{% endif %}|", "  \n  {% if yes %}\n  {% endif %}  \n|",
]

ERRORS = [
    "{{ missing.attribute }}", "{{ missing['x'] }}", "{{ missing() }}", "{{ missing + 1 }}", "{{ 'a' + 1 }}", "{{ [] + 'a' }}", "{{ none.x.y }}", "{% for x in 5 %}{% endfor %}", "{{ 1 / 0 }}", "{{ 1 // 0 }}", "{{ raise_exception('stop here') }}",
    "{{ n|nofilter }}", "{{ n is notest }}", "{{ n", "{% if yes %}", "{% endif %}", "{% for %}{% endfor %}", "{{ 'open }}", "{# open", "{% set dict.x = 1 %}", "{{ numbers.append(1) }}", "{{ 1 < 'a' }}", "{{ n[ }}", "{{ (1, 2 }}", "{% unknown %}", "{{ missing|tojson }}",
    "{% set a, b = [1, 2, 3] %}", "{{ range(1000000) }}", "{{ n() }}", "{{ 'a'|join(1, 2, 3) if false else raise_exception('x' ~ n) }}", "{% raw %}x", "{{ }}", "{{ 1 + }}", "{% break %}", "{{ {[]: 1} }}", "{{ text.nomethod() }}", "{{ numbers|map('nofilter')|list }}", "{{ 5|length }}",
    "{% for i in numbers %}{{ i.x.y }}{% endfor %}", "a\nb\n{{ missing.x }}", "{{ 'x' * 10 ** 12 }}",
]


templates = []


def case(template, values):
    if template not in templates:
        templates.append(template)
    entry = {"template": templates.index(template)}
    if values is not VALUES:
        entry["values"] = values
    try:
        entry["rendered"] = env.from_string(template).render(**values)
    except Exception as error:  # whatever the reference refuses, however
        entry["error"] = f"{type(error).__name__}: {error}"
    return entry


cases = []
for template in re.split(r"\n(?={)", SNIPPETS) + WHITESPACE + ERRORS:
    cases.append(case(template, VALUES))
cases.append(case("{{ dict(a=1, b=2) }} {{ dict([('a', 1)], c=2) }} {{ namespace({'a': 1}).a }}", {}))
for tools in (None, TOOLS):
    for messages in ([USER], [SYSTEM, USER], [SYSTEM, USER, CALL, RESULT], [USER, CALL, {"role": "ipython", "content": "21°"}], [SYSTEM], [USER, dict(CALL, tool_calls=CALL["tool_calls"] * 2)]):
        for extra in ({}, {"tools_in_user_message": False}, {"builtin_tools": ["get_weather", "code_interpreter", "search"], "date_string": "1 May"}):
            cases.append(case(LLAMA31, {"bos_token": "<s>", "messages": messages, "tools": tools, "add_generation_prompt": True, **extra}))

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "jinja_golden.json"), "w", encoding="utf-8") as file:
    json.dump({"reference": f"jinja2 {jinja2.__version__}", "now": NOW.isoformat(), "values": VALUES, "templates": templates, "cases": cases}, file, ensure_ascii=True, indent=0)
    file.write("\n")
print(len(cases), "cases;", sum("error" in entry for entry in cases), "errors")
for entry in cases:
    if "error" in entry:
        print(repr(templates[entry["template"]][:60]), "->", entry["error"][:100])

/** The look of the report: on a screen and on paper. It asks nobody for anything: no fonts, no images. */
export const STYLE = `
:root { --ink: #1c2430; --soft: #5c6878; --line: #dde2e9; --paper: #fff; --ground: #f4f6f9; --accent: #22406b;
  --good: #0d6b3f; --good-ground: #e7f5ed; --bad: #ad1f1f; --bad-ground: #fdecec; --warn: #8a5a00; --warn-ground: #fdf4e0; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "DejaVu Sans", sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { margin: 0 0 1.2rem; font-size: 1.9rem; line-height: 1.2; letter-spacing: -.01em; }
h2 { margin: 3rem 0 1rem; font-size: 1.25rem; }
h3 { margin: 0; font-size: 1.1rem; line-height: 1.35; }
p { margin: .5rem 0; max-width: 48rem; }
a { color: var(--accent); text-decoration-thickness: 1px; text-underline-offset: 2px; }
code, pre, .id { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .84em; }
code, .id { overflow-wrap: anywhere; unicode-bidi: isolate; }
.kicker { margin: 0 0 .3rem; color: var(--soft); font-size: .78rem; font-weight: 600; letter-spacing: .09em; text-transform: uppercase; }
.card { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; }
.verdict { margin: 1.6rem 0; padding: 1.1rem 1.4rem; border-left: 6px solid var(--good); background: var(--good-ground); }
.verdict.bad { border-left-color: var(--bad); background: var(--bad-ground); }
.verdict strong { display: block; margin-bottom: .25rem; color: var(--good); font-size: 1.15rem; }
.verdict.bad strong { color: var(--bad); }
.verdict p { max-width: none; }
dl.facts { display: grid; grid-template-columns: minmax(8.5rem, max-content) 1fr; gap: .35rem 1.2rem; margin: 0; }
dl.facts dt { color: var(--soft); }
dl.facts dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
.facts-card { padding: 1.1rem 1.4rem; }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .8rem; margin: 1.2rem 0; }
.numbers div { padding: .9rem 1.1rem; }
.numbers b { display: block; font-size: 1.7rem; line-height: 1.15; font-variant-numeric: tabular-nums; }
.numbers span { color: var(--soft); font-size: .85rem; }
table { width: 100%; border-collapse: collapse; font-size: .9rem; }
th { padding: .5rem .7rem; color: var(--soft); font-size: .76rem; font-weight: 600; letter-spacing: .05em; text-align: left; text-transform: uppercase; border-bottom: 1px solid var(--line); }
td { padding: .5rem .7rem; vertical-align: top; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
tr:last-child td { border-bottom: 0; }
td.time, td.leaf, td.who { white-space: nowrap; font-variant-numeric: tabular-nums; }
td.time { color: var(--soft); }
.scroll { overflow-x: auto; }
.badge { display: inline-block; padding: .08rem .6rem; border-radius: 99px; background: var(--ground); border: 1px solid var(--line); font-size: .8rem; font-weight: 600; white-space: nowrap; }
.badge.good { color: var(--good); background: var(--good-ground); border-color: transparent; }
.badge.bad { color: var(--bad); background: var(--bad-ground); border-color: transparent; }
.badge.warn { color: var(--warn); background: var(--warn-ground); border-color: transparent; }
article { margin: 1.2rem 0; overflow: hidden; }
article header { display: flex; flex-wrap: wrap; gap: .6rem 1rem; align-items: baseline; justify-content: space-between; padding: 1.1rem 1.4rem .2rem; }
article .facts { padding: .5rem 1.4rem 1.1rem; }
article .timeline { border-top: 1px solid var(--line); background: #fbfcfd; padding: .3rem .7rem; }
blockquote { margin: 0; white-space: pre-line; padding-left: .8rem; border-left: 3px solid var(--line); }
.quiet { color: var(--soft); }
.mark { font-weight: 700; }
.mark.good { color: var(--good); }
.mark.bad { color: var(--bad); }
.doubt { color: var(--bad); font-weight: 600; }
.unseen { padding: 0 .25em; border-radius: 3px; background: var(--warn-ground); color: var(--warn); font: 600 .75em ui-monospace, "DejaVu Sans Mono", monospace; }
details { margin: .5rem 0; }
summary { padding: .6rem 1.1rem; cursor: pointer; font-size: .9rem; overflow-wrap: anywhere; }
details .inside { padding: 0 1.1rem 1rem; }
pre { margin: .3rem 0 .9rem; padding: .8rem 1rem; background: var(--ground); border: 1px solid var(--line); border-radius: 6px; white-space: pre-wrap; overflow-wrap: anywhere; user-select: all; }
footer { margin-top: 3rem; color: var(--soft); font-size: .85rem; }
@media (max-width: 40rem) { dl.facts { grid-template-columns: 1fr; gap: 0; } dl.facts dd { margin-bottom: .5rem; } }
@page { margin: 18mm 15mm; }
@media print {
  body { background: none; font-size: 10pt; }
  main { max-width: none; padding: 0; }
  .card { border-color: #bbb; }
  .numbers { grid-template-columns: repeat(5, 1fr); gap: .4rem; }
  .numbers div { padding: .5rem .7rem; }
  .numbers b { font-size: 1.3rem; }
  table { font-size: .8rem; }
  th, td { padding: .3rem .45rem; }
  article header, article .facts { padding-left: .9rem; padding-right: .9rem; }
  h2 { break-after: avoid; }
  article header, tr, .verdict, dl.facts { break-inside: avoid; }
  .proofs { display: none; }
  .paper { display: block; }
  a { color: inherit; text-decoration: none; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
@media not print { .paper { display: none; } }
`

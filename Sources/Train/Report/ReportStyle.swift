/// How the page looks: light and dark by the reader's choice, on a phone, on paper.
enum ReportStyle {
  static let css: Markup = """

    :root { color-scheme: light dark;
      --ink: #1c1f23; --soft: #626b76; --line: #d9dde2; --page: #ffffff; --box: #f4f6f8;
      --c0: #1f5fa8; --c1: #c0392b; --c2: #1e7d4f; --c3: #8e5bb5;
      --c4: #b5651d; --c5: #0f7f8c; --c6: #b03a78; --c7: #6b7219; }
    @media (prefers-color-scheme: dark) { :root {
      --ink: #e4e7eb; --soft: #98a2ae; --line: #3a424c; --page: #14171a; --box: #1e2328;
      --c0: #7db3f0; --c1: #f08a7d; --c2: #6fd0a0; --c3: #c9a0ea;
      --c4: #e8ab6f; --c5: #66cbd6; --c6: #f093c0; --c7: #c4cc66; } }
    * { box-sizing: border-box; }
    body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 74rem; background: var(--page);
      color: var(--ink); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
    h1 { font-size: 1.7rem; margin: 0 0 .3rem; } h2 { font-size: 1.25rem; margin: 0 0 .6rem; }
    h3 { font-size: 1rem; margin: 1.2rem 0 .2rem; } p { margin: .3rem 0 .7rem; }
    .part { border-top: 1px solid var(--line); margin-top: 2rem; padding-top: 1.2rem; }
    small, .notes, footer, figcaption { color: var(--soft); font-size: .85em; font-weight: normal; }
    sup { line-height: 0; }
    dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .8rem; margin: .3rem 0;
      font-size: .88rem; } dt { color: var(--soft); } dd { margin: 0; }
    code, pre { font-family: ui-monospace, monospace; font-size: .82rem; }
    .digest { color: var(--soft); }
    pre { background: var(--box); border-radius: 4px; padding: .5rem .7rem; margin: .3rem 0;
      white-space: pre-wrap; }
    .wide { overflow-x: auto; }
    table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums;
      overflow-wrap: normal; }
    th, td { text-align: right; vertical-align: top; padding: .3rem .7rem;
      border-bottom: 1px solid var(--line); white-space: nowrap; font-weight: normal; }
    tr > :first-child { text-align: left; } thead th { font-weight: 600; vertical-align: bottom; }
    tbody th { font-weight: 600; }
    .rules th, .rules td { color: var(--soft); font-weight: normal; }
    .published { color: var(--soft); }
    th.verdict, td.verdict { text-align: left; }
    td.verdict { white-space: normal; min-width: 14rem; }
    .state { color: var(--c1); font-size: .85em; }
    .figures { display: grid; gap: 1.2rem;
      grid-template-columns: repeat(auto-fill, minmax(min(100%, 27rem), 1fr)); }
    figure { margin: 0; min-width: 0; } figcaption { margin-top: .2rem; }
    svg { display: block; width: 100%; height: auto; max-width: 40rem; }
    img { max-width: 100%; height: auto; image-rendering: pixelated; }
    svg text { fill: var(--ink); font-size: 11px; font-family: system-ui, sans-serif; }
    svg .tick { fill: var(--soft); } svg .end { text-anchor: end; }
    svg .middle { text-anchor: middle; } svg .name { font-size: 12px; }
    .grid { stroke: var(--line); stroke-width: 1; }
    .level { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 4 3; }
    .lead { stroke: var(--soft); stroke-width: .6; }
    .bar { fill: var(--c0); }
    .line polyline { fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linejoin: round; }
    .line .mark { fill: currentColor; }
    .disc circle { fill: currentColor; fill-opacity: .35; stroke: currentColor; }
    svg .label { fill: currentColor; stroke: var(--page); stroke-width: 3px; paint-order: stroke;
      stroke-linejoin: round; }
    .c0 { color: var(--c0); } .c1 { color: var(--c1); } .c2 { color: var(--c2); }
    .c3 { color: var(--c3); } .c4 { color: var(--c4); } .c5 { color: var(--c5); }
    .c6 { color: var(--c6); } .c7 { color: var(--c7); }
    .d1 polyline { stroke-dasharray: 6 3; } .d2 polyline { stroke-dasharray: 2 2; }
    .d3 polyline { stroke-dasharray: 8 3 2 3; } .d4 polyline { stroke-dasharray: 12 4; }
    summary { cursor: pointer; color: var(--soft); font-size: .88rem; }
    @media (max-width: 40rem) { body { font-size: 15px; padding: 1rem .8rem; }
      th, td { padding: .25rem .45rem; } th[scope=row] { white-space: normal; } }
    @media print { :root { color-scheme: light; --ink: #000; --soft: #555; --line: #ccc;
        --page: #fff; --box: #f4f4f4; --c0: #1f5fa8; --c1: #c0392b; --c2: #1e7d4f; --c3: #8e5bb5;
        --c4: #b5651d; --c5: #0f7f8c; --c6: #b03a78; --c7: #6b7219; }
      body { font-size: 10pt; max-width: none; padding: 0; } .wide { overflow: visible; }
      figure, tr, .run { break-inside: avoid; } h2, h3 { break-after: avoid; }
      .figures { grid-template-columns: 1fr 1fr; } table { font-size: 8pt; } th, td { padding: .15rem .35rem; } }

    """
}

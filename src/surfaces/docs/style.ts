/** How the page at /docs looks: one column on a phone, a side list and examples beside the text where there is room. */
export const STYLE = `
:root{color-scheme:light dark;--ink:#1c2230;--quiet:#5a6377;--paper:#fff;--raised:#f5f6f9;--line:#dde1ea;--accent:#0b5fb8;--code:#10223d;
--get:#1a6b3c;--post:#8a4b00;--put:#5b3fa0;--delete:#a32020}
@media (prefers-color-scheme:dark){:root{--ink:#e4e8f0;--quiet:#a0a9bc;--paper:#12151c;--raised:#1a1f29;--line:#2d3443;--accent:#7db7ff;--code:#dbe6f7;
--get:#6fd39a;--post:#f0b165;--put:#b9a3ff;--delete:#ff9a9a}}
*{box-sizing:border-box}
html{scroll-padding-top:1rem;-webkit-text-size-adjust:100%}
body{background:var(--paper);color:var(--ink);font:1rem/1.55 system-ui,sans-serif;margin:0}
main{margin:0 auto;max-width:90rem;padding:1rem 1rem 4rem;min-width:0}
h1{font-size:1.9rem;line-height:1.2;margin:.5rem 0}
h2{border-top:1px solid var(--line);font-size:1.5rem;margin:3rem 0 .5rem;padding-top:1.5rem}
h3{font-size:1.1rem;line-height:1.35;margin:0 0 .4rem}
h3 a{color:inherit;text-decoration:none}
h3 a:hover{text-decoration:underline}
h4{color:var(--quiet);font-size:.85rem;font-weight:600;margin:0 0 .35rem}
small{color:var(--quiet);font-size:.82em;font-weight:400}
p{margin:.5rem 0;max-width:46rem}
.lead{font-size:1.15rem}
a{color:var(--accent)}
:focus-visible{border-radius:3px;outline:3px solid var(--accent);outline-offset:2px}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.88em}
code{overflow-wrap:anywhere}
pre{background:var(--raised);border:1px solid var(--line);border-radius:6px;color:var(--code);line-height:1.45;margin:0;overflow-wrap:anywhere;padding:.75rem .9rem;white-space:pre-wrap}
pre.copy{-webkit-user-select:all;user-select:all;border-left:3px solid var(--accent)}
.skip{background:var(--paper);left:.5rem;padding:.5rem 1rem;position:absolute;top:-4rem;z-index:1}
.skip:focus{top:.5rem}
nav{border-bottom:1px solid var(--line);font-size:.93rem;padding:.75rem 1rem}
nav ul{display:flex;flex-wrap:wrap;gap:.15rem .9rem;list-style:none;margin:0;padding:0}
nav a{display:inline-block;padding:.2rem 0;text-decoration:none}
nav a:hover{text-decoration:underline}
nav ul ul{display:none}
.operation{border-top:1px solid var(--line);padding:1.5rem 0}
h2+.operation,p+.operation{border-top:0}
.operation:target h3,.shape:target h3,tr:target code{background:color-mix(in srgb,var(--accent) 18%,transparent)}
.told,.shown{min-width:0}
.route{margin:.25rem 0}
.also{color:var(--quiet);font-size:.9rem}
.path{font-size:.95em}
.method{border:1px solid;border-radius:4px;display:inline-block;font-size:.78em;font-weight:700;padding:.05rem .4rem}
.get{color:var(--get)}.post{color:var(--post)}.put,.patch{color:var(--put)}.delete{color:var(--delete)}
.scroll{margin:.9rem 0;overflow-x:auto}
table{border-collapse:collapse;font-size:.9rem;min-width:100%}
th,td{border-bottom:1px solid var(--line);padding:.4rem .9rem .4rem 0;text-align:left;vertical-align:top}
td:last-child{padding-right:0}
thead th{color:var(--quiet);font-size:.82rem;font-weight:600}
tbody th{font-weight:400}
tbody th{min-width:7rem}tbody th code{font-weight:600}
tbody th small{display:block}
details{margin:.5rem 0}
summary{color:var(--accent);cursor:pointer;font-size:.9rem;padding:.2rem 0}
.block{margin:0 0 1rem}.block p{color:var(--quiet);font-size:.9rem;margin:.2rem 0}
.shape{padding:1rem 0}
@media (min-width:64rem){
body{display:grid;grid-template-columns:17rem minmax(0,1fr)}
nav{border-bottom:0;border-right:1px solid var(--line);height:100vh;overflow-y:auto;padding:1.25rem 1rem 2rem 1.25rem;position:sticky;top:0}
nav ul,nav ul ul{display:block}
nav>ul>li{margin-bottom:.6rem}
nav>ul>li>a{color:var(--ink);font-weight:600}
nav ul ul{border-left:1px solid var(--line);font-size:.87rem;padding-left:.7rem}
nav ul ul a{color:var(--quiet)}
main{padding:1.5rem 2.5rem 6rem;width:100%}
}
@media (min-width:84rem){
.operation{display:grid;gap:2.5rem;grid-template-columns:minmax(0,1fr) minmax(0,1fr)}
}
@media (max-width:63.99rem){.shown{margin-top:1rem}}
@media print{nav,.skip{display:none}}
`;

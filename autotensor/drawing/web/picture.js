// The picture: boxes and lines as SVG elements. Text gets into it as text only.

const SVG = "http://www.w3.org/2000/svg";
const FONT = "'Segoe UI', 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif";
const TITLE = 13; // font sizes
const SMALL = 11;
const LINE_HEIGHT = { [TITLE]: 18, [SMALL]: 15 };
const PADDING_X = 11; // inside a box
const PADDING_Y = 5;
const PER_EDGE = 15; // least width of a box for each edge that ends at one side
const FRAME = 3.5; // between the two lines around a fold
const ARROW = 6;
const STRIP = 4; // of the colour of a gradient
// Small gradients to large, light to dark.
const SCALE = [[253, 240, 181], [88, 178, 160], [33, 102, 142], [27, 32, 92]];

function svgElement(tag, attributes, parent) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (parent) parent.append(element);
  return element;
}

const textWidth = (() => {
  const context = document.createElement("canvas").getContext("2d");
  const known = new Map();
  return (text, size, bold) => {
    const font = `${bold ? 600 : 400} ${size}px ${FONT}`;
    const key = `${font} ${text}`;
    if (!known.has(key)) {
      context.font = font;
      known.set(key, context.measureText(text).width);
    }
    return known.get(key);
  };
})();

function plural(count, noun, nouns = `${noun}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? noun : nouns}`;
}

function byteSize(count) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  for (; count >= 999.5 && unit < 4; unit++) count /= 1000;
  return `${count.toFixed(count >= 10 || !unit ? 0 : 1)} ${units[unit]}`;
}

/** What a fold is called, and what is in it. */
function foldName(node) {
  const parts = node.path.split("/");
  const path = parts.length > 3 ? `…/${parts.slice(-3).join("/")}` : node.path;
  const name = path.length > 48 ? `…${path.slice(-47)}` : path;
  return node.repeats > 1 ? `${name} × ${node.repeats}` : name;
}

function labelOf(graph, box) {
  if (box.vertex !== null) {
    const v = graph.vertices[box.vertex];
    return { title: v.title, bold: !!v.name, lines: v.lines || [] };
  }
  const members = box.members.map((m) => graph.vertices[m]);
  const ops = members.filter((v) => v.kind === "op").length;
  const leaves = members.filter((v) => v.kind === "leaf").length;
  const kept = members.reduce((sum, v) => sum + (v.kept || 0), 0);
  const counts = [];
  if (ops) counts.push(plural(ops, "op"));
  if (leaves) counts.push(plural(leaves, "leaf", "leaves"));
  const lines = [counts.join(", ") || plural(members.length, "vertex", "vertices")];
  if (kept) lines.push(`keeps ${byteSize(kept)}`);
  return { title: `${box.backward ? "backward of " : ""}${foldName(box.node)}`, bold: true, lines };
}

/** The colours of gradient norms, on a logarithmic scale over the decades that occur. */
function gradientScale(graph) {
  const norms = graph.vertices.map((v) => v.grad).filter((g) => typeof g === "number" && g > 0);
  const logs = norms.map(Math.log10);
  const low = Math.floor(logs.reduce((a, b) => Math.min(a, b), logs[0] || 0));
  const high = Math.max(Math.ceil(logs.reduce((a, b) => Math.max(a, b), logs[0] || 0)), low + 1);
  const between = (part) => {
    const at = Math.max(0, Math.min(1, part)) * (SCALE.length - 1);
    const i = Math.min(SCALE.length - 2, Math.floor(at));
    const mixed = SCALE[i].map((a, k) => Math.round(a + (SCALE[i + 1][k] - a) * (at - i)));
    return `rgb(${mixed.join(", ")})`;
  };
  const colour = (grad) => {
    if (typeof grad !== "number") return "var(--bad)";
    return between(grad > 0 ? (Math.log10(grad) - low) / (high - low) : 0);
  };
  return { low, high, some: norms.length > 0, between, colour };
}

/**
 * Draw a state of folding.
 * @returns {{boxes, edges, trunks, edgesOf, boxOf, x, y, width, height}} boxes with their elements;
 *   edges and trunks by their elements; edgesOf: by box the indices of its edges
 */
function picture(graph, scopes, scale, into) {
  const { boxes, edges, rank, boxOf } = drawn(graph, scopes);
  const ends = new Map();
  const end = (box, other) => {
    const side = `${box} ${rank[other] > rank[box]}`;
    ends.set(side, (ends.get(side) || 0) + 1);
  };
  for (const { source, target } of edges) end(target, source);
  const sizes = boxes.map((box, i) => {
    const label = labelOf(graph, box);
    box.label = label;
    const frame = box.node ? 2 * FRAME : 0;
    const widths = [textWidth(label.title, TITLE, label.bold),
      ...label.lines.map((line) => textWidth(line, SMALL))];
    const most = Math.max(ends.get(`${i} true`) || 0, ends.get(`${i} false`) || 0);
    return {
      width: Math.max(40, Math.max(...widths) + 2 * PADDING_X + frame, most * PER_EDGE),
      height: LINE_HEIGHT[TITLE] + label.lines.length * LINE_HEIGHT[SMALL] + 2 * PADDING_Y + frame,
    };
  });
  const places = layout(sizes, edges, rank);
  into.replaceChildren();
  const lines = svgElement("g", { class: "lines", "aria-hidden": "true" }, into);
  const look = (edge) => (edge.kept ? "kept" : boxes[edge.source].backward ? "backward" : "");
  const trunks = places.trunks.map((trunk) => {
    if (!trunk.points.length) return null;
    return svgElement("path", { class: look(trunk), d: path(trunk.points) }, lines);
  });
  const edgesOf = boxes.map(() => []);
  const seen = new Map();
  edges.forEach((edge, i) => {
    Object.assign(edge, drawEdge(edge, places.edges[i], boxes, look(edge), lines));
    edge.trunk = trunks[places.edges[i].trunk] || null;
    edgesOf[edge.source].push(i);
    edgesOf[edge.target].push(i);
    const pair = `${edge.source} ${edge.target} ${edge.kept}`;
    seen.set(pair, [...(seen.get(pair) || []), i]);
  });
  for (const parallel of seen.values()) {
    if (parallel.length === 1) continue;
    parallel.forEach((i, k) => number(edges[i], places.edges[i], k, lines));
  }
  const group = svgElement("g", { class: "boxes" }, into);
  boxes.forEach((box, i) => drawBox(graph, box, sizes[i], places.x[i], places.y[i], scale, group));
  return { ...places, boxes, edges, trunks: trunks.filter(Boolean), edgesOf, boxOf };
}

function drawEdge(edge, line, boxes, look, into) {
  const points = line.points.map((point) => [...point]);
  const [x, y] = points[points.length - 1];
  const down = line.down ? 1 : -1;
  points[points.length - 1][1] -= down * ARROW;
  const group = svgElement("g", {
    class: `edge ${look}`,
    "data-source": boxes[edge.source].key,
    "data-target": boxes[edge.target].key,
  }, into);
  svgElement("path", { d: path(points) }, group);
  const head = `M${n(x)} ${n(y)}l-3.5 ${n(-down * (ARROW + 1))}h7z`;
  svgElement("path", { class: "head", d: head }, group);
  return { element: group };
}

/** The place among the arguments, beside the head of an edge that runs in parallel with others. */
function number(edge, line, k, into) {
  const [x, y] = line.points[line.points.length - 1];
  const place = { class: "number", x: n(k ? x + 4 : x - 4), y: n(line.down ? y - 5 : y + 13) };
  if (!k) place["text-anchor"] = "end";
  svgElement("text", place, into).textContent = edge.position + 1;
}

/** Straight where points are above each other, otherwise an S that ends vertically. */
function path(points) {
  let d = `M${n(points[0][0])} ${n(points[0][1])}`;
  for (let i = 1; i < points.length; i++) {
    const [[x, y], [to, end]] = [points[i - 1], points[i]];
    const middle = n((y + end) / 2);
    d += Math.abs(x - to) < 0.05
      ? `V${n(end)}` : `C${n(x)} ${middle} ${n(to)} ${middle} ${n(to)} ${n(end)}`;
  }
  return d;
}

function drawBox(graph, box, { width, height }, x, y, scale, into) {
  const { label } = box;
  const v = box.vertex === null ? null : graph.vertices[box.vertex];
  const own = v && (v.of && v.role === "op" ? "backward" : v.role);
  const role = own || (box.backward ? "backward" : "fold");
  const members = box.members.map((m) => graph.vertices[m]);
  const bad = members.some((member) => member.bad);
  const said = [label.title, ...label.lines];
  if (bad) said.push("not finite");
  if (!v) said.push("folded");
  const element = svgElement("g", {
    class: `box ${role}${v ? "" : " folded"}`,
    transform: `translate(${n(x - width / 2)} ${n(y - height / 2)})`,
    tabindex: "0",
    role: "button",
    "aria-label": said.join(", "),
    "data-key": box.key,
    "data-pass": box.backward ? "backward" : "forward",
  }, into);
  if (bad) element.dataset.bad = "";
  const size = { width: n(width), height: n(height) };
  const round = v && v.role === "leaf" ? Math.min(height / 2, 14) : 5;
  if (bad) {
    svgElement("rect", {
      class: members.some((member) => member.id === graph.firstBad) ? "ring first" : "ring",
      x: -4.5, y: -4.5,
      width: n(width + 9),
      height: n(height + 9),
      rx: round + 4,
    }, element);
  }
  svgElement("rect", { class: "shape", ...size, rx: round }, element);
  if (!v) {
    const inner = { width: n(width - 2 * FRAME), height: n(height - 2 * FRAME) };
    svgElement("rect", { class: "shape", x: FRAME, y: FRAME, ...inner, rx: 3 }, element);
  }
  const grad = v ? v.grad : undefined;
  if (grad !== undefined) {
    svgElement("rect", {
      class: "strip", x: 12, y: n(height - STRIP), width: n(width - 24), height: STRIP,
      style: `fill: ${scale.colour(grad)}`,
    }, element);
  }
  let line = PADDING_Y + (v ? 0 : FRAME);
  [label.title, ...label.lines].forEach((words, i) => {
    const font = i ? SMALL : TITLE;
    line += LINE_HEIGHT[font];
    const look = i ? "" : label.bold ? "title bold" : "title";
    const place = { class: look, x: n(width / 2), y: n(line - 0.29 * font) };
    svgElement("text", place, element).textContent = words;
  });
  box.element = element;
}

/** A coordinate to a tenth of a pixel. */
function n(value) {
  return Math.round(value * 10) / 10;
}

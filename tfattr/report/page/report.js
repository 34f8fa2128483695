"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);

  // Elements from names and texts only: nothing from a file is ever read as markup.
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  };
  const number = (value, digits = 3) => {
    if (value === null || value === undefined) return "not defined";
    const text = value.toFixed(digits);
    return text.replace("-", Number(text) === 0 ? "" : "\u2212");
  };
  const pair = (low, high) => `[${number(low)}, ${number(high)}]`;
  const ordinal = (place) => {
    const last = place % 100 > 10 && place % 100 < 14 ? 0 : place % 10;
    return `${place}${["th", "st", "nd", "rd"][last] || "th"}`;
  };
  const images = (count) => `${count.toLocaleString("en")} image${count === 1 ? "" : "s"}`;

  // ---- sections that show one of several: a select where there are two or more ----
  document.querySelectorAll("[data-chooser]").forEach((chooser, place) => {
    const choices = [...chooser.querySelectorAll(":scope > .choice")];
    if (choices.length < 2) return;
    const id = `chooser-${place}`;
    const select = make("select", { id }, ...choices.map((choice, index) => make("option", { value: index }, choice.dataset.label)));
    const show = () => choices.forEach((choice, index) => { choice.hidden = index !== Number(select.value); });
    select.addEventListener("change", show);
    chooser.prepend(make("p", { class: "controls choices" }, make("label", { for: id }, chooser.dataset.chooser, select)));
    show();
  });

  // ---- curves: each line of the key switches its line ----
  document.querySelectorAll("[data-curves]").forEach((figure) => {
    figure.querySelectorAll("[data-key]").forEach((item) => {
      const button = make("button", { type: "button", class: "key", "aria-pressed": "true" }, ...item.childNodes);
      item.append(button);
      button.addEventListener("click", () => {
        const on = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(on));
        figure.querySelectorAll(`[data-line="${item.dataset.key}"]`).forEach((line) => line.classList.toggle("off", !on));
      });
    });
  });

  // ---- print: everything unfolded, folded again afterwards ----
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    opened.forEach((one) => { one.open = true; });
  });
  window.addEventListener("afterprint", () => opened.forEach((one) => { one.open = false; }));

  // ---- the matrix ----
  const grid = byId("grid");
  if (!grid || !data.matrices.length) return;
  const MOST_NUMBERS = 14;  // models up to which the values stand in the cells, as in the figures
  const runChoice = byId("choose-run"), methodChoice = byId("choose-method");
  const orderChoice = byId("choose-order"), targetChoice = byId("choose-target");
  let matrix = data.matrices[data.start];
  let order = [], cells = [], heads = { row: [], column: [] };
  let focused = [0, 0];

  const fill = (select, options, chosen) => {
    select.replaceChildren(...options.map(([value, text]) => make("option", { value }, text)));
    select.value = chosen;
  };
  const swatch = (model) => {
    const colour = matrix.colours[matrix.groups[model]];
    if (!colour) return null;
    const mark = make("i", { class: "tone-box" });
    mark.style.setProperty("--tone", colour);
    return mark;
  };
  const known = (row, column) => matrix.low !== null && matrix.low[row][column] !== null;
  // Sources of a target, best first; undefined ones last, ties in the order of the models, as `tfattr rank` does.
  const ranked = (target) => matrix.models.map((_, source) => source).filter((source) => source !== target)
    .sort((one, other) => {
      const a = matrix.value[target][one], b = matrix.value[target][other];
      if (a === null || b === null) return (a === null) - (b === null) || one - other;
      return b - a || one - other;
    });
  const placeOf = (target, source) => ranked(target).indexOf(source) + 1;

  const orderOf = (kind) => {
    const given = matrix.models.map((_, index) => index);
    if (kind === "alphabetical") return given.sort((one, other) => matrix.models[one].localeCompare(matrix.models[other], "en"));
    return kind === "tree" && matrix.tree ? matrix.tree : given;
  };

  // The pair with the highest affinity: what the page starts with.
  const closest = () => {
    let best = [0, Math.min(1, matrix.models.length - 1)], top = -Infinity;
    matrix.value.forEach((values, row) => values.forEach((value, column) => {
      if (row < column && value !== null && value > top) [best, top] = [[row, column], value];
    }));
    return best;
  };

  const describe = (row, column) => {
    const target = matrix.models[row], source = matrix.models[column];
    if (row === column) return `${target} with itself: 1 by definition`;
    const value = matrix.value[row][column];
    return `target ${target}, source ${source}: ${number(value)}` +
      (known(row, column) ? `, interval ${pair(matrix.low[row][column], matrix.high[row][column])}` : "") +
      `, ${images(matrix.count[row][column])}`;
  };

  const showDetails = (place) => {
    const row = order[place[0]], column = order[place[1]];
    const target = matrix.models[row], source = matrix.models[column], others = matrix.models.length - 1;
    const panel = byId("details");
    cells.flat().forEach((cell) => cell.classList.remove("shown"));
    cells[place[0]][place[1]].classList.add("shown");
    heads.row.forEach((head, index) => head.classList.toggle("at", index === place[0]));
    heads.column.forEach((head, index) => head.classList.toggle("at", index === place[1]));
    const group = (model) => matrix.groups[model] ? ` (${matrix.groups[model]})` : "";
    if (row === column) {
      panel.replaceChildren(
        make("h3", {}, target + group(row)),
        make("p", {}, "A model with itself has affinity 1 by definition."),
        make("p", { class: "extra" }, `${images(matrix.count[row][row])} with usable maps, ${matrix.name}.`));
      return;
    }
    const value = matrix.value[row][column];
    const counted = matrix.count[row][column];
    panel.replaceChildren(...[
      make("h3", {}, make("small", {}, "target "), target + group(row), make("small", {}, " source "), source + group(column)),
      make("p", { class: "value" }, number(value)),
      make("p", {}, known(row, column)
        ? `${data.level} % interval ${pair(matrix.low[row][column], matrix.high[row][column])}`
        : `interval not known: ${matrix.no_interval || "no image has both maps"}`),
      make("p", { class: "extra" }, `${images(counted)}` + (counted < matrix.images ? ` of ${matrix.images.toLocaleString("en")}; the rest lack a usable map` : "") + `, ${matrix.name}`),
      value === null ? null : make("p", { class: "extra" },
        `${source} is the ${ordinal(placeOf(row, column))} of ${others} sources for ${target}; ` +
        `${target} is the ${ordinal(placeOf(column, row))} for ${source}.`),
    ].filter(Boolean));
  };

  const focusOn = (place, move = true) => {
    cells[focused[0]][focused[1]].tabIndex = -1;
    focused = place;
    const cell = cells[place[0]][place[1]];
    cell.tabIndex = 0;
    if (move) cell.focus();
    else showDetails(place);
  };

  const colour = (cell, row, column) => {
    const shade = matrix.shade[row][column], palette = data.palettes[matrix.palette];
    if (shade === -1) cell.className = "diagonal";
    else if (shade === -2) cell.className = "undefined";
    else {
      cell.style.background = palette.colours[shade];
      cell.style.color = palette.light[shade] === "1" ? "#000" : "#fff";
    }
    if (matrix.models.length <= MOST_NUMBERS && shade >= 0) cell.textContent = number(matrix.value[row][column], 2);
  };

  const draw = () => {
    const at = cells.length ? [order[focused[0]], order[focused[1]]] : null;
    order = orderOf(orderChoice.value);
    const size = order.length;
    const side = size <= MOST_NUMBERS ? 38 : size <= 30 ? 22 : size <= 45 ? 17 : 13;
    grid.style.setProperty("--cell", `${side}px`);
    document.documentElement.style.setProperty("--print-cell", `${Math.min(side, Math.floor(520 / size))}px`);
    grid.setAttribute("aria-rowcount", size + 1);
    grid.setAttribute("aria-colcount", size + 1);
    heads.column = order.map((model) => make("th", { scope: "col", role: "columnheader", title: matrix.models[model] }, make("span", {}, swatch(model), matrix.models[model])));
    heads.row = order.map((model) => make("th", { scope: "row", role: "rowheader", title: matrix.models[model] }, matrix.models[model], swatch(model)));
    cells = order.map((row, y) => order.map((column, x) => {
      const cell = make("td", { role: "gridcell", tabindex: -1, "aria-label": describe(row, column), "data-row": y, "data-column": x });
      colour(cell, row, column);
      return cell;
    }));
    grid.replaceChildren(
      make("thead", {}, make("tr", { role: "row" }, make("td", { role: "columnheader", class: "corner", "aria-label": "target, source" }), ...heads.column)),
      make("tbody", {}, ...cells.map((row, y) => make("tr", { role: "row" }, heads.row[y], ...row))));
    focused = (at || closest()).map((model) => Math.max(0, order.indexOf(model)));
    focusOn(focused, false);

    const where = data.study ? `${matrix.run}, ` : "";
    byId("matrix-title").textContent = `Affinity by ${matrix.name}, ${where}${images(matrix.images)}`;
    const [low, high] = matrix.range, stops = data.palettes[matrix.palette].colours.filter((_, index) => index % 15 === 0);
    byId("scale-low").textContent = number(low, 2);
    byId("scale-high").textContent = number(high, 2);
    byId("scale-bar").style.background = `linear-gradient(to right, ${stops.join(", ")})`;
    const legend = Object.entries(matrix.colours).map(([name, tone]) => {
      const mark = make("span", { class: "mark tone-box" });
      mark.style.setProperty("--tone", tone);
      return make("li", {}, mark, name);
    });
    byId("matrix-legend").replaceChildren(...(legend.length ? [make("ul", { class: "legend", "aria-label": "Groups" }, ...legend)] : []));
  };

  // ---- sources of one target ----
  const drawRanking = () => {
    const target = Number(targetChoice.value);
    const all = matrix.models.flatMap((_, row) => matrix.models.map((__, column) => [row, column])).filter(([row, column]) => row !== column);
    const ends = (table, fallback) => all.map(([row, column]) => (table && table[row][column] !== null ? table[row][column] : fallback[row][column])).filter((value) => value !== null);
    const low = Math.min(0, ...ends(matrix.low, matrix.value)), high = Math.max(1e-9, ...ends(matrix.high, matrix.value));
    const along = (value) => 100 * (value - low) / (high - low);
    byId("ranking-title").textContent = `Sources for ${matrix.models[target]}`;
    byId("ranking-note").textContent = `By ${matrix.name}${data.study ? `, ${matrix.run}` : ""}, best first.` +
      (matrix.low ? ` Whiskers and brackets: ${data.level} % intervals over images; sources whose intervals overlap widely are not told apart.` : "");
    byId("bars").replaceChildren(...ranked(target).map((source, place) => {
      const value = matrix.value[target][source];
      const track = make("span", { class: "track", "aria-hidden": "true" });
      if (value !== null) {
        const bar = make("i");
        bar.style.left = `${along(Math.min(0, value))}%`;
        bar.style.width = `${along(Math.max(0, value)) - along(Math.min(0, value))}%`;
        track.append(bar);
        if (known(target, source)) {
          const reach = make("b");
          reach.style.left = `${along(matrix.low[target][source])}%`;
          reach.style.width = `${along(matrix.high[target][source]) - along(matrix.low[target][source])}%`;
          track.append(reach);
        }
      }
      return make("li", { "data-source": matrix.models[source] },
        make("span", { class: "place" }, String(place + 1)),
        make("span", { class: "name" }, matrix.models[source]),
        track,
        make("span", { class: "value" }, number(value), known(target, source) ? make("small", {}, ` ${pair(matrix.low[target][source], matrix.high[target][source])}`) : null));
    }));
  };
  const rankFor = (target) => {
    targetChoice.value = target;
    drawRanking();
  };

  // ---- choices ----
  const methodsOf = (run) => data.matrices.filter((one) => one.run === run).map((one) => [one.method, one.name]);
  const choose = (run, method) => {
    const before = targetChoice ? matrix.models[Number(targetChoice.value || 0)] : null;
    const candidates = data.matrices.filter((one) => one.run === run);
    matrix = candidates.find((one) => one.method === method) || candidates[0];
    fill(methodChoice, methodsOf(run), matrix.method);
    orderChoice.querySelector("[value=tree]").disabled = !matrix.tree;
    if (!matrix.tree && orderChoice.value === "tree") orderChoice.value = "given";
    draw();
    if (targetChoice && matrix.models.length > 1) {
      fill(targetChoice, matrix.models.map((name, index) => [index, name]), Math.max(0, matrix.models.indexOf(before)));
      drawRanking();
    }
  };
  if (runChoice) {
    fill(runChoice, [...new Set(data.matrices.map((one) => one.run))].map((run) => [run, run]), matrix.run);
    runChoice.addEventListener("change", () => choose(runChoice.value, matrix.method));
  }
  methodChoice.addEventListener("change", () => choose(matrix.run, methodChoice.value));
  orderChoice.addEventListener("change", draw);
  if (targetChoice) targetChoice.addEventListener("change", drawRanking);

  // ---- pointing and keys ----
  const placeFrom = (event) => {
    const cell = event.target.closest("td[data-row]");
    return cell ? [Number(cell.dataset.row), Number(cell.dataset.column)] : null;
  };
  grid.addEventListener("mouseover", (event) => { const place = placeFrom(event); if (place) showDetails(place); });
  grid.addEventListener("mouseleave", () => showDetails(focused));
  grid.addEventListener("focusin", (event) => { const place = placeFrom(event); if (place) showDetails(place); });
  grid.addEventListener("click", (event) => {
    const place = placeFrom(event);
    if (!place) return;
    focusOn(place);
    if (targetChoice) rankFor(order[place[0]]);
  });
  grid.addEventListener("keydown", (event) => {
    if (!placeFrom(event) || event.altKey || event.metaKey) return;
    const last = order.length - 1, [row, column] = focused;
    const to = {
      ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1],
      Home: event.ctrlKey ? [0, 0] : [row, 0], End: event.ctrlKey ? [last, last] : [row, last],
      PageUp: [row - 5, column], PageDown: [row + 5, column],
    }[event.key];
    if (to) {
      event.preventDefault();
      focusOn(to.map((one) => Math.min(Math.max(one, 0), last)));
    } else if ((event.key === "Enter" || event.key === " ") && targetChoice) {
      event.preventDefault();
      rankFor(order[row]);
    }
  });
  choose(matrix.run, matrix.method);
})();

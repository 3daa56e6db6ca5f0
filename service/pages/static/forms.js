// Forms that call the API as everyone does: uploads with a bar, sheets of labels, jobs. What goes wrong is said in place.
"use strict";
(() => {
  const part = (kind, text) => {
    const line = document.createElement("p");
    line.className = kind;
    line.textContent = text;
    return line;
  };

  function tell(form, problem) {
    const box = document.createElement("div");
    box.className = "fault problem";
    box.setAttribute("role", "alert");
    const faults = problem.errors?.length ? problem.errors : [{ where: "", what: problem.detail, remedy: "" }];
    for (const fault of faults) {
      if (fault.where) box.append(part("where", fault.where));
      box.append(part("what", fault.what));
      if (fault.remedy) box.append(part("remedy", `→ ${fault.remedy}`));
    }
    form.querySelector(".answer").replaceChildren(box);
  }

  const asProblem = (status, text) => {
    try {
      return JSON.parse(text);
    } catch {
      return { detail: status ? `The gateway answered ${status}.` : "The gateway does not answer; is it still running?" };
    }
  };

  // XMLHttpRequest, since fetch does not say how far an upload is.
  function ask(form, method, path, body, headers, then) {
    const buttons = form.querySelectorAll("button");
    const bar = form.querySelector("progress");
    const request = new XMLHttpRequest();
    request.open(method, path);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    const over = () => { buttons.forEach((button) => { button.disabled = false; }); if (bar) bar.hidden = true; };
    request.onload = () => {
      over();
      if (request.status === 401) location.assign(`/sign-in?next=${encodeURIComponent(location.pathname)}`);
      else if (request.status >= 200 && request.status < 300) then(request);
      else tell(form, asProblem(request.status, request.responseText));
    };
    request.onerror = () => { over(); tell(form, asProblem(0, "")); };
    if (bar) {
      bar.hidden = false;
      request.upload.onprogress = (event) => { if (event.lengthComputable) bar.value = event.loaded / event.total; };
    }
    buttons.forEach((button) => { button.disabled = true; });
    form.querySelector(".answer").replaceChildren();
    request.send(body);
  }

  const reload = () => location.reload();

  // --- a table and its sheet -------------------------------------------------------------------------
  function upload(form) {
    const body = new FormData();
    const [table, sheet] = ["file", "labels"].map((name) => form.elements[name]?.files[0]);
    if (!table) return;
    body.append("name", table.name.slice(0, 200));
    body.append("file", table);
    if (sheet) body.append("labels", sheet);
    ask(form, "POST", form.dataset.upload, body, {}, (request) => {
      const dataset = JSON.parse(request.responseText);
      // Bytes that are known already keep the sheet they have; a new one is given to them.
      if (request.status === 200 && sheet) {
        ask(form, "PUT", `/v1/datasets/${dataset.id}/labels`, sheet, {}, () => location.assign(`/datasets/${dataset.id}`));
      } else location.assign(`/datasets/${dataset.id}`);
    });
  }

  const isSheet = (file) => /label|sheet|sample|meta|group|design|^s_/i.test(file.name);

  function dropped(form, files) {
    const two = [...files].slice(0, 2).sort((a, b) => isSheet(a) - isSheet(b) || b.size - a.size);
    for (const [place, name] of ["file", "labels"].entries()) {
      if (!two[place]) continue;
      const given = new DataTransfer();
      given.items.add(two[place]);
      form.elements[name].files = given.files;
    }
    form.requestSubmit();
  }

  // --- a form as JSON --------------------------------------------------------------------------------
  function asJson(form) {
    const body = {};
    const put = (name, value, list) => {
      const steps = name.split(".");
      const last = steps.pop();
      const home = steps.reduce((object, step) => (object[step] ??= {}), body);
      if (list) (home[last] ??= []).push(value);
      else home[last] = value;
    };
    for (const field of form.elements) {
      const name = field.dataset.name ?? field.name;
      if (field.dataset.only && field.dataset.only !== form.elements.kind.value) continue;
      if (!name || ((field.type === "checkbox" || field.type === "radio") && !field.checked) || field.value === "") continue;
      put(name, field.type === "number" ? Number(field.value) : field.value, "list" in field.dataset);
    }
    return body;
  }

  function call(form) {
    const { api, method, then, key, changes } = form.dataset;
    const headers = { "Content-Type": "application/json" };
    // Pressed again, it is the same request; changed in between, it is another one.
    if (key) headers["Idempotency-Key"] = `${key}-${changes ?? 0}`;
    const body = key ? JSON.stringify(asJson(form)) : null;
    ask(form, method, api, body, headers, (request) => {
      if (then) location.assign(then + JSON.parse(request.responseText).id);
      else reload();
    });
  }

  // --- a sheet of labels -----------------------------------------------------------------------------
  const quoted = (cell) => (/[",\n\r]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

  function saveSheet(form) {
    const given = form.querySelector("[data-sheet-file]").files[0];
    const heads = [...form.querySelectorAll("[data-head]")].map((head) => head.value.trim());
    const rows = [...form.querySelectorAll("tbody tr")].map((row) =>
      [row.querySelector("th").textContent, ...[...row.querySelectorAll("[data-cell]")].map((cell) => cell.value.trim())]);
    const text = [["sample", ...heads], ...rows].map((row) => row.map(quoted).join(",")).join("\n");
    ask(form, "PUT", form.dataset.sheet, given ?? `${text}\n`, given ? {} : { "Content-Type": "text/csv" }, reload);
  }

  function mark(form) {
    const column = Number(form.querySelector("[data-mark-column]").value);
    const value = form.querySelector("[data-mark-value]").value.trim();
    for (const row of form.querySelectorAll("tbody tr")) {
      if (row.querySelector("[data-tick]").checked) row.querySelectorAll("[data-cell]")[column].value = value;
    }
  }

  function fill(form, values) {
    const column = Number(form.querySelector("[data-mark-column]").value);
    form.querySelectorAll("tbody tr").forEach((row, place) => { row.querySelectorAll("[data-cell]")[column].value = values[place] ?? ""; });
  }

  function addColumn(form) {
    const place = form.querySelectorAll("[data-head]").length;
    const field = (attribute, label, value) => {
      const input = document.createElement("input");
      input.setAttribute(attribute, "");
      input.setAttribute("aria-label", label);
      input.value = value;
      input.spellcheck = false;
      return input;
    };
    const head = document.createElement("th");
    head.scope = "col";
    head.append(field("data-head", `Name of column ${place + 1}`, place === 0 ? "group" : `column ${place + 1}`));
    form.querySelector("thead tr").append(head);
    for (const row of form.querySelectorAll("tbody tr")) {
      const cell = document.createElement("td");
      cell.append(field("data-cell", `column ${place + 1} of ${row.querySelector("th").textContent}`, ""));
      row.append(cell);
    }
    const choice = new Option(head.firstChild.value, String(place), true, true);
    form.querySelector("[data-mark-column]").append(choice);
    head.firstChild.focus();
  }

  // --- the door: `rnalearner open` brings the key behind a #, which no request carries -----------------
  document.addEventListener("DOMContentLoaded", () => {
    const field = document.getElementById("key");
    if (!field || !location.hash.startsWith("#rnal_")) return;
    field.value = location.hash.slice(1);
    history.replaceState(null, "", location.pathname + location.search);
    field.form.requestSubmit();
  });

  // --- who listens -----------------------------------------------------------------------------------
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const work = form.dataset.upload ? upload : form.dataset.sheet ? saveSheet : form.dataset.api ? call : null;
    if (!work) return;
    event.preventDefault();
    work(form);
  });
  document.addEventListener("click", (event) => {
    const form = event.target.closest?.("form.sheet");
    if (!form) return;
    const { dataset } = event.target;
    if ("mark" in dataset) mark(form);
    else if ("fill" in dataset) fill(form, JSON.parse(dataset.fill));
    else if ("addColumn" in dataset) addColumn(form);
    else if ("all" in dataset) form.querySelectorAll("[data-tick]").forEach((tick) => { tick.checked = event.target.checked; });
  });
  document.addEventListener("input", (event) => {
    const asking = event.target.closest?.("form[data-key]");
    if (asking) asking.dataset.changes = Number(asking.dataset.changes ?? 0) + 1;
    if (!("head" in event.target.dataset)) return;
    const form = event.target.closest("form");
    const place = [...form.querySelectorAll("[data-head]")].indexOf(event.target);
    form.querySelector("[data-mark-column]").options[place].text = event.target.value;
  });
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      const form = document.querySelector("form[data-upload]");
      if (!form || !event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      form.classList.toggle("over", kind === "dragenter" || kind === "dragover");
      if (kind === "drop") dropped(form, event.dataTransfer.files);
    });
  }
  // What somebody has opened stays open when a part of the page is replaced.
  let opened = [];
  document.addEventListener("htmx:beforeSwap", () => {
    opened = [...document.querySelectorAll("details[open][id]")].map((details) => details.id);
  });
  document.addEventListener("htmx:afterSettle", () => {
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
  });
  // Arrow keys go up and down in a sheet, as in any table of cells.
  document.addEventListener("keydown", (event) => {
    if (!("cell" in (event.target.dataset ?? {})) || !["ArrowUp", "ArrowDown", "Enter"].includes(event.key)) return;
    event.preventDefault();
    const row = event.target.closest("tr");
    const place = [...row.querySelectorAll("[data-cell]")].indexOf(event.target);
    const next = event.key === "ArrowUp" ? row.previousElementSibling : row.nextElementSibling;
    next?.querySelectorAll("[data-cell]")[place].focus();
  });
})();

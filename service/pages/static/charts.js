// Draws what stands in a figure's JSON with ECharts, in the page's colours. Numbers come from the server.
"use strict";
(() => {
  const HUES = { light: ["#0072b2", "#d55e00", "#009e73", "#b06a9a", "#c98a00", "#3a7fa8", "#5f6772", "#7a4b00"],
                 dark: ["#5fb4e6", "#ff9a57", "#3fcfa3", "#e3a3cc", "#f0c95a", "#8fc7e8", "#b3bac4", "#d9a95b"] };
  const views = new Map(); // figure's id -> the view chosen, kept when a part of the page is replaced
  let printing = false;

  const isDark = () => !printing && matchMedia("(prefers-color-scheme: dark)").matches;

  function theme() {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(name).trim();
    const [ink, soft, line, card] = printing ? ["#000", "#444", "#bbb", "#fff"] : ["--ink", "--soft", "--line", "--card"].map(of);
    const axis = {
      axisLine: { lineStyle: { color: soft } }, axisTick: { lineStyle: { color: soft } },
      axisLabel: { color: ink }, nameTextStyle: { color: soft }, splitLine: { lineStyle: { color: line } },
    };
    return {
      color: HUES[isDark() ? "dark" : "light"], textStyle: { fontFamily: "system-ui, sans-serif", color: ink },
      legend: { textStyle: { color: ink }, pageTextStyle: { color: ink } },
      tooltip: { backgroundColor: card, borderColor: soft, textStyle: { color: ink } },
      visualMap: { textStyle: { color: ink }, inRange: { color: isDark() ? ["#16302d", "#6cc7bc", "#f4f1c9"] : ["#f4f1e4", "#58a99f", "#08403c"] } },
      categoryAxis: { ...axis, splitLine: { show: false } }, valueAxis: axis,
      parallel: { parallelAxisDefault: axis }, parallelAxis: axis,
      markLine: { lineStyle: { color: soft }, label: { color: soft } },
    };
  }

  const optionOf = (figure) => {
    const options = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
    const chooser = figure.querySelector("[data-view]");
    const wanted = views.get(figure.id);
    if (chooser && wanted in options) chooser.value = wanted;
    const view = chooser ? chooser.value : Object.keys(options)[0];
    return { animation: false, ...options[view] };
  };

  function draw(figure) {
    const box = figure.querySelector(".canvas");
    box.style.height = `${box.dataset.height}px`;
    echarts.getInstanceByDom(box)?.dispose();
    echarts.init(box, theme(), { renderer: "canvas" }).setOption(optionOf(figure));
  }

  function saveAsSvg(figure) {
    const box = figure.querySelector(".canvas");
    const chart = echarts.init(null, theme(), { renderer: "svg", ssr: true, width: box.clientWidth, height: box.clientHeight });
    chart.setOption(optionOf(figure));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([chart.renderToSVGString()], { type: "image/svg+xml" }));
    link.download = `${figure.querySelector("h3").textContent.trim().toLowerCase().replaceAll(/\W+/g, "-")}.svg`;
    link.click();
    URL.revokeObjectURL(link.href);
    chart.dispose();
  }

  function begin(root) {
    for (const figure of root.querySelectorAll("figure.chart")) {
      if (figure.dataset.drawn) continue;
      figure.dataset.drawn = "yes";
      draw(figure);
      figure.querySelector("[data-view]")?.addEventListener("change", (event) => {
        views.set(figure.id, event.target.value);
        draw(figure);
      });
      const save = figure.querySelector("[data-svg]");
      save.hidden = false;
      save.addEventListener("click", () => saveAsSvg(figure));
    }
  }

  const all = () => document.querySelectorAll("figure.chart");
  document.addEventListener("DOMContentLoaded", () => begin(document));
  document.addEventListener("htmx:afterSettle", () => begin(document));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => all().forEach(draw));
  addEventListener("resize", () => all().forEach((figure) => echarts.getInstanceByDom(figure.querySelector(".canvas"))?.resize()));
  addEventListener("beforeprint", () => { printing = true; all().forEach(draw); });
  addEventListener("afterprint", () => { printing = false; all().forEach(draw); });
})();

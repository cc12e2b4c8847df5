"use strict";
(() => {
  const config = JSON.parse(document.getElementById("chart-config").textContent);
  const options = {
    mode: "vega-lite",
    renderer: "svg",
    ast: true, // expressions are interpreted: the page's policy forbids to evaluate text
    actions: false,
    defaultStyle: false,
    tooltip: { disableDefaultStyle: true },
    config,
  };

  const draw = async (plot) => {
    const spec = JSON.parse(document.getElementById(plot.dataset.chart).textContent);
    const note = plot.firstElementChild;
    const place = document.createElement("div");
    place.className = "chart";
    plot.append(place);
    await vegaEmbed(place, spec, options);
    note.remove();
  };

  const enlarged = document.getElementById("enlarged");
  for (const button of document.querySelectorAll("button.enlarge")) {
    button.addEventListener("click", () => {
      const from = button.querySelector("img");
      const to = enlarged.querySelector("img");
      to.src = from.src;
      to.alt = from.alt;
      enlarged.showModal();
    });
  }

  const drawn = [...document.querySelectorAll(".plot")].map(draw);
  Promise.allSettled(drawn).then((results) => {
    for (const result of results) {
      if (result.status === "rejected") console.error(result.reason);
    }
    document.documentElement.dataset.charts = "drawn";
  });
})();

"use strict";
(() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const draw = () => {
    const ink = colour("--ink"), grid = colour("--grid");
    for (const holder of document.querySelectorAll("script[data-for]")) {
      const { data, layout } = JSON.parse(holder.textContent);
      const axis = (own) => ({ ...own, gridcolor: grid, zerolinecolor: grid, linecolor: ink });
      const whole = {
        ...layout, xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis), font: { color: ink, size: 12 },
        paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      };
      Plotly.react(holder.dataset.for, data, whole, { responsive: true, displaylogo: false, displayModeBar: false });
    }
  };
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();

// Scrolls through the crop's slices: moves the sprites, redraws the outline, fades the saliency.
for (const viewer of document.querySelectorAll(".viewer")) {
  const paths = JSON.parse(viewer.dataset.paths);
  const tiles = Number(viewer.dataset.tiles);
  const rows = Number(viewer.dataset.rows);
  const sprites = viewer.querySelectorAll(".ct, .heat");
  const slice = viewer.querySelector(".slice");
  const opacity = viewer.querySelector(".opacity");
  const show = () => {
    const number = Number(slice.value);
    const x = (100 * (number % tiles)) / (tiles - 1);
    const y = rows > 1 ? (100 * Math.floor(number / tiles)) / (rows - 1) : 0;
    for (const sprite of sprites) sprite.style.backgroundPosition = `${x}% ${y}%`;
    viewer.querySelector("path").setAttribute("d", paths[number]);
    viewer.querySelector(".heat").style.opacity = opacity.value / 100;
  };
  slice.addEventListener("input", show);
  opacity.addEventListener("input", show);
  viewer.querySelector(".stage").addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      slice.value = Number(slice.value) - Math.sign(event.deltaY);
      show();
    },
    { passive: false },
  );
  show();
}

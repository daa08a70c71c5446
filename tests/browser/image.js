// Uses the page of examples/image as a person would, in Debian's Chromium, and prints what it saw as JSON for the test
// (tests/e2e/test_image_page.py), which decides what is right.
//
//   node image.js URL PNG TEXT [FOLDER]      PNG: a picture to drop; TEXT: a file that is none; FOLDER: for screenshots
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const { chromium } = require("playwright-core");

const PATIENCE = 60_000;
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
               "--disable-component-update", "--disable-sync"];
const [url, png, text, folder] = process.argv.slice(2);

// The Exif of a camera that was turned: one entry, orientation 6.
const EXIF = Buffer.from("ffe1002245786966000049492a0008000000010012010300010000000600000000000000", "hex");

// Adobe's marker, which says that the three components are red, green and blue. It counts where JFIF's is not there.
const ADOBE = Buffer.from("ffee000e41646f626500640000000000", "hex");

async function main() {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
  try {
    const page = await browser.newPage({ viewport: { width: 1100, height: 1000 } });
    page.setDefaultTimeout(PATIENCE);
    const seen = { complaints: [], hosts: [] };
    page.on("console", (message) => { if (message.type() === "error") seen.complaints.push(message.text()); });
    page.on("pageerror", (error) => seen.complaints.push(String(error)));
    page.on("request", (request) => {
      const { protocol, host } = new URL(request.url());
      if (/^https?:$/.test(protocol) && !seen.hosts.includes(host)) seen.hosts.push(host);
    });
    await page.goto(url);
    await shoot(page, "empty");

    // By the keyboard alone, and by its label.
    await page.keyboard.press("Tab");
    seen.focused = await page.evaluate(() => document.activeElement.id);
    seen.labelled = await page.getByLabel("Drop a picture here, or choose one").getAttribute("id");
    seen.unnamed = await page.evaluate(() => [...document.images].filter((one) => !one.alt).length);

    await drop(page, path.basename(png), "image/png", fs.readFileSync(png));
    seen.png = await result(page, path.basename(png));
    await shoot(page, "png");

    const jpeg = await makeJpeg(page);
    await drop(page, "photo.jpg", "image/jpeg", jpeg);
    seen.jpeg = await result(page, "photo.jpg");
    seen.jpeg.wanted = await brightness(page, jpeg);

    const turned = Buffer.concat([jpeg.subarray(0, 2), EXIF, jpeg.subarray(2)]);
    await page.setInputFiles("#file", { name: "turned.jpg", mimeType: "image/jpeg", buffer: turned });
    seen.turned = await result(page, "turned.jpg");
    seen.turned.wanted = await brightness(page, turned);
    await shoot(page, "jpeg");

    const jfif = jpeg.readUInt16BE(4) + 2;
    const plain = Buffer.concat([jpeg.subarray(0, 2), ADOBE, jpeg.subarray(2 + jfif)]);
    await page.setInputFiles("#file", { name: "plain.jpg", mimeType: "image/jpeg", buffer: plain });
    seen.plain = await result(page, "plain.jpg");
    seen.plain.wanted = await brightness(page, plain);

    await page.setViewportSize({ width: 390, height: 844 });
    await page.emulateMedia({ colorScheme: "dark" });
    seen.tooWide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    await shoot(page, "dark");

    await page.setInputFiles("#file", text);
    await page.locator("#problem").waitFor({ state: "visible" });
    seen.problem = await page.locator("#problem").textContent();
    await shoot(page, "problem");
    process.stdout.write(JSON.stringify(seen));
  } finally {
    await browser.close();
  }
}

async function shoot(page, name) {
  if (folder) await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
}

// Drops a file on the page, as from a file manager.
async function drop(page, name, type, bytes) {
  const data = await page.evaluateHandle(([name, type, base64]) => {
    const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name, { type }));
    return transfer;
  }, [name, type, bytes.toString("base64")]);
  await page.dispatchEvent("#drop", "dragover", { dataTransfer: data });
  await page.dispatchEvent("#drop", "drop", { dataTransfer: data });
}

// What the page shows for the file of this name, when the log has its use both ways: the pixels, and the line.
async function result(page, name) {
  await page.waitForFunction((name) => {
    const section = document.getElementById("result");
    return !section.hidden && document.getElementById("name").textContent === name;
  }, name);
  const use = await page.locator("#result").getAttribute("data-use");
  const row = page.locator(`#log tr[data-use="${use}"]`);
  await row.filter({ has: page.locator(".mark.yes", { hasText: "call" }) })
    .filter({ has: page.locator(".mark.yes", { hasText: "event" }) }).waitFor();
  const shown = await page.evaluate(async () => {
    const image = document.getElementById("after");
    await image.decode();
    const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const pixels = [];
    let colored = 0;
    for (let at = 0; at < data.length; at += 4) {
      pixels.push(data[at]);
      if (data[at] !== data[at + 1] || data[at] !== data[at + 2] || data[at + 3] !== 255) colored++;
    }
    return { width: canvas.width, height: canvas.height, pixels, colored };
  });
  return { use, line: await row.innerText(), first: (await page.locator("#log tr").first().getAttribute("data-use")) === use,
           status: await page.locator("#status").textContent(), ...shown };
}

// A JPEG, made by the browser.
async function makeJpeg(page) {
  const base64 = await page.evaluate(async () => {
    const canvas = new OffscreenCanvas(120, 80);
    const context = canvas.getContext("2d");
    const colors = context.createLinearGradient(0, 0, 120, 80);
    for (const [at, color] of [[0, "#d02020"], [0.4, "#20c040"], [0.7, "#2040d0"], [1, "#f0e020"]]) colors.addColorStop(at, color);
    context.fillStyle = colors;
    context.fillRect(0, 0, 120, 80);
    const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 });
    return btoa(String.fromCharCode(...new Uint8Array(await blob.arrayBuffer())));
  });
  return Buffer.from(base64, "base64");
}

// How bright the pixels of a JPEG are as this browser unpacks it, turned as it would show it.
async function brightness(page, jpeg) {
  return page.evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const context = canvas.getContext("2d");
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const pixels = [];
    for (let at = 0; at < data.length; at += 4) {
      pixels.push(Math.round(0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2]));
    }
    return { width: canvas.width, height: canvas.height, pixels };
  }, jpeg.toString("base64"));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});

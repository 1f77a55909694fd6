//! The picture: sagas a second and p50 over clients, the node beside the twin. Plain SVG, drawn here.

use std::fmt::Write;

use crate::report::row::{Row, SagaRow, System};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 400.0;
const PANEL_WIDTH: f64 = 380.0;
const PANEL_HEIGHT: f64 = 260.0;
const TOP: f64 = 70.0;
const LEFTS: [f64; 2] = [70.0, 550.0];
const SYSTEMS: [(System, &str); 2] = [(System::Sagaline, "#c2410c"), (System::Twin, "#475569")];

/// One of the two diagrams: clients and the figure, logarithmic in both directions.
struct Panel {
    left: f64,
    title: &'static str,
    figure: fn(&SagaRow) -> f64,
    clients: (f64, f64),
    figures: (f64, f64),
}

/// The picture, or `None` when no saga load was measured at two numbers of clients.
pub(crate) fn draw(rows: &[Row]) -> Option<String> {
    let standard = |row: &Row| match row {
        Row::Saga(row) if row.kind == "saga" && row.per_second > 0.0 => Some(row.clone()),
        Row::Saga(_) | Row::Floor(_) | Row::Append(_) => None,
        Row::Read(_) | Row::Growth(_) | Row::Single(_) => None,
    };
    let rows: Vec<SagaRow> = rows.iter().filter_map(standard).collect();
    let throughput = Panel::new(LEFTS[0], "sagas a second", |row| row.per_second, &rows)?;
    let p50 =
        Panel::new(LEFTS[1], "p50, start to end (ms)", |row| row.latency.p50_us / 1e3, &rows)?;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n"
    );
    for panel in [throughput, p50] {
        panel.draw(&mut svg, &rows);
    }
    legend(&mut svg);
    svg.push_str("</svg>\n");
    Some(svg)
}

impl Panel {
    fn new(
        left: f64,
        title: &'static str,
        figure: fn(&SagaRow) -> f64,
        rows: &[SagaRow],
    ) -> Option<Self> {
        let clients = range(rows.iter().map(|row| row.clients as f64))?;
        let (least, most) = range(rows.iter().map(figure))?;
        let bottom = power_of_ten(least.log10().floor());
        let figures = (bottom, power_of_ten(most.log10().ceil()).max(10.0 * bottom));
        (clients.1 > clients.0).then_some(Self { left, title, figure, clients, figures })
    }

    fn draw(&self, svg: &mut String, rows: &[SagaRow]) {
        text(svg, self.left, TOP - 14.0, "start", self.title);
        self.axes(svg, rows);
        for (system, colour) in SYSTEMS {
            let of_system: Vec<_> = rows.iter().filter(|row| row.system == system).collect();
            self.series(svg, &of_system, colour);
        }
    }

    fn axes(&self, svg: &mut String, rows: &[SagaRow]) {
        let (right, bottom) = (self.left + PANEL_WIDTH, TOP + PANEL_HEIGHT);
        let mut decade = self.figures.0;
        while decade <= self.figures.1 * 1.001 {
            let y = self.y(decade);
            segment(svg, (self.left, y), (right, y));
            text(svg, self.left - 6.0, y + 4.0, "end", &decade.to_string());
            decade *= 10.0;
        }
        for row in rows.iter().filter(|row| row.system == System::Sagaline) {
            let x = self.x(row.clients);
            segment(svg, (x, TOP), (x, bottom));
            text(svg, x, bottom + 18.0, "middle", &row.clients.to_string());
        }
        text(svg, right, bottom + 36.0, "end", "clients");
    }

    fn series(&self, svg: &mut String, rows: &[&SagaRow], colour: &str) {
        let points: Vec<_> =
            rows.iter().map(|row| (self.x(row.clients), self.y((self.figure)(row)))).collect();
        let path: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        add(
            svg,
            format_args!(
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2.5\"/>",
                path.join(" ")
            ),
        );
        for ((x, y), row) in points.iter().zip(rows) {
            add(
                svg,
                format_args!(
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"><title>{:.1}</title></circle>",
                    (self.figure)(row)
                ),
            );
        }
    }

    fn x(&self, clients: usize) -> f64 {
        self.left + PANEL_WIDTH * share(self.clients, clients as f64)
    }

    fn y(&self, figure: f64) -> f64 {
        TOP + PANEL_HEIGHT * (1.0 - share(self.figures, figure))
    }
}

/// Where a value stands between two others, on a logarithmic scale.
fn share((from, to): (f64, f64), value: f64) -> f64 {
    (value / from).ln() / (to / from).ln()
}

fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((least, most)) => Some((value.min(least), value.max(most))),
    })
}

fn power_of_ten(exponent: f64) -> f64 {
    10f64.powf(exponent)
}

fn legend(svg: &mut String) {
    let mut x = LEFTS[0];
    for (system, colour) in SYSTEMS {
        add(
            svg,
            format_args!("<circle cx=\"{:.1}\" cy=\"26\" r=\"5\" fill=\"{colour}\"/>", x + 5.0),
        );
        text(svg, x + 16.0, 30.0, "start", system.name());
        x += 110.0;
    }
}

fn segment(svg: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    add(
        svg,
        format_args!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#e2e8f0\"/>"
        ),
    );
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, content: &str) {
    add(
        svg,
        format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"#0f172a\">{content}</text>"
        ),
    );
}

fn add(svg: &mut String, element: std::fmt::Arguments<'_>) {
    writeln!(svg, "{element}").expect("writing to a String cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::figures::LoadFigures;
    use crate::samples::Quantiles;

    fn row(system: System, clients: usize, per_second: f64) -> Row {
        let latency = Quantiles { p50_us: 1e6 / per_second, ..Default::default() };
        let figures = LoadFigures { clients, per_second, latency, ..Default::default() };
        Row::Saga(SagaRow::of(system, "saga", &figures, 4.0, 1.0))
    }

    #[test]
    fn every_measured_point_is_drawn_inside_the_picture() {
        let rows: Vec<_> = [(1, 700.0), (16, 4_000.0), (64, 5_500.0), (256, 6_000.0)]
            .into_iter()
            .flat_map(|(n, s)| [row(System::Sagaline, n, s), row(System::Twin, n, 1.2 * s)])
            .collect();
        let svg = draw(&rows).expect("there is something to draw");
        assert_eq!(svg.matches("<title>").count(), 16);
        for number in svg.split("cx=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let x: f64 = number.parse().expect("a number");
            assert!((0.0..=WIDTH).contains(&x), "{x}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn without_saga_loads_there_is_no_picture() {
        assert!(draw(&[]).is_none());
        assert!(draw(&[row(System::Twin, 1, 700.0)]).is_none());
    }
}

/*
 * casa-scene: a window with a picture that can be checked by a machine.
 *
 * The picture stands for what the users of this tool look at all day: a lit,
 * folded surface.  Around it are areas of one known colour each, so that a
 * screenshot tells whether OpenGL really drew (not blank, not upside down, not
 * with swapped colours), whichever driver did the work.
 *
 *   pixel of the 512x512 window (origin top left)   colour
 *   ( 20,  20)  top left quadrant                   #c82828
 *   (492,  20)  top right quadrant                  #28a03c
 *   ( 20, 492)  bottom left quadrant                #2846c8
 *   (492, 492)  bottom right quadrant               #dcbe28
 *   (256, 246)  the triangle, in front of all       #ffffff
 *
 * Exit status: 0 after --seconds, 2 for wrong usage, 3 when no window could be
 * opened on the display.
 */
#include <GL/freeglut.h>
#include <X11/Xlib.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 512, RINGS = 96, SEGMENTS = 192, NO_DISPLAY = 3 };

static const double PI = 3.14159265358979323846;
static int announced;

/* Distance of the surface from the centre: two lobes with a fissure between
 * them, and sines of unrelated frequencies for the folds.  Both fade towards
 * the poles, where all meridians meet. */
static double radius(double theta, double phi)
{
    double fade = sin(theta) * sin(theta);
    double folds = 0.07 * sin(11 * theta + 3 * sin(4 * phi)) * sin(8 * phi + 3 * cos(5 * theta));
    double fissure = -0.22 * exp(-40 * cos(phi) * cos(phi));
    return 1.0 + fade * (folds + fissure);
}

static void point(double theta, double phi, double out[3])
{
    double r = radius(theta, phi);
    out[0] = 1.05 * r * sin(theta) * cos(phi);
    out[1] = 0.90 * r * cos(theta);
    out[2] = 0.95 * r * sin(theta) * sin(phi);
}

/* The normal comes from finite differences: the surface has no short formula
 * for it. */
static void vertex(double theta, double phi)
{
    const double step = 1e-3;
    double p[3], t[3], f[3], n[3], length;

    point(theta, phi, p);
    point(theta + step, phi, t);
    point(theta, phi + step, f);
    for (int i = 0; i < 3; i++) {
        t[i] -= p[i];
        f[i] -= p[i];
    }
    n[0] = f[1] * t[2] - f[2] * t[1];
    n[1] = f[2] * t[0] - f[0] * t[2];
    n[2] = f[0] * t[1] - f[1] * t[0];
    length = sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
    /* At the poles the two differences are parallel. */
    if (length < 1e-12)
        glNormal3d(0, cos(theta) > 0 ? 1 : -1, 0);
    else
        glNormal3d(n[0] / length, n[1] / length, n[2] / length);
    glVertex3dv(p);
}

static void quadrant(int x, int y, int red, int green, int blue)
{
    glColor3ub((GLubyte)red, (GLubyte)green, (GLubyte)blue);
    glRecti(x, y, x + SIZE / 2, y + SIZE / 2);
}

static void flat_projection(void)
{
    glMatrixMode(GL_PROJECTION);
    glLoadIdentity();
    /* Window coordinates with the origin at the top left, as screenshots have. */
    glOrtho(0, SIZE, SIZE, 0, -1, 1);
    glMatrixMode(GL_MODELVIEW);
    glLoadIdentity();
}

static void draw_surface(void)
{
    const GLfloat light[] = {-0.5f, 0.8f, 1.0f, 0.0f};
    const GLfloat ambient[] = {0.25f, 0.22f, 0.22f, 1.0f};
    const GLfloat shine[] = {0.35f, 0.35f, 0.35f, 1.0f};

    glMatrixMode(GL_PROJECTION);
    glLoadIdentity();
    glOrtho(-1.6, 1.6, -1.6, 1.6, -4, 4);
    glMatrixMode(GL_MODELVIEW);
    glLoadIdentity();
    glLightfv(GL_LIGHT0, GL_POSITION, light);
    glRotated(35, 1, 0, 0);
    glRotated(-25, 0, 1, 0);

    glEnable(GL_DEPTH_TEST);
    glEnable(GL_LIGHTING);
    glEnable(GL_LIGHT0);
    /* In this order: once enabled, every property that still follows the colour
     * takes the colour of the last quadrant. */
    glColorMaterial(GL_FRONT_AND_BACK, GL_DIFFUSE);
    glEnable(GL_COLOR_MATERIAL);
    glLightModelfv(GL_LIGHT_MODEL_AMBIENT, ambient);
    glLightModeli(GL_LIGHT_MODEL_TWO_SIDE, GL_FALSE);
    glMaterialfv(GL_FRONT_AND_BACK, GL_SPECULAR, shine);
    glMaterialf(GL_FRONT_AND_BACK, GL_SHININESS, 20.0f);
    glColor3ub(225, 165, 160);

    for (int ring = 0; ring < RINGS; ring++) {
        glBegin(GL_TRIANGLE_STRIP);
        for (int segment = 0; segment <= SEGMENTS; segment++) {
            double phi = 2 * PI * segment / SEGMENTS;
            vertex(PI * ring / RINGS, phi);
            vertex(PI * (ring + 1) / RINGS, phi);
        }
        glEnd();
    }

    glDisable(GL_COLOR_MATERIAL);
    glDisable(GL_LIGHTING);
    glDisable(GL_DEPTH_TEST);
}

static void display(void)
{
    glDisable(GL_DITHER);
    glClearColor(0, 0, 0, 1);
    glClear(GL_COLOR_BUFFER_BIT | GL_DEPTH_BUFFER_BIT);

    flat_projection();
    quadrant(0, 0, 0xc8, 0x28, 0x28);
    quadrant(SIZE / 2, 0, 0x28, 0xa0, 0x3c);
    quadrant(0, SIZE / 2, 0x28, 0x46, 0xc8);
    quadrant(SIZE / 2, SIZE / 2, 0xdc, 0xbe, 0x28);

    draw_surface();

    flat_projection();
    glColor3ub(255, 255, 255);
    glBegin(GL_TRIANGLES);
    glVertex2i(216, 226);
    glVertex2i(296, 226);
    glVertex2i(256, 296);
    glEnd();

    glutSwapBuffers();
    glFinish();

    if (!announced) {
        announced = 1;
        printf("casa-scene: GL_RENDERER=%s GL_VERSION=%s\n",
               (const char *)glGetString(GL_RENDERER), (const char *)glGetString(GL_VERSION));
        fflush(stdout);
    }
}

static void reshape(int width, int height)
{
    glViewport(0, 0, width, height);
}

static void time_is_over(int unused)
{
    (void)unused;
    exit(0);
}

/* freeglut's own handler exits with 1, which could not be told from the status
 * of a program that drew and failed later. */
static void no_window(const char *format, va_list arguments)
{
    fprintf(stderr, "casa-scene: cannot open a window with OpenGL: ");
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(NO_DISPLAY);
}

static int usage(void)
{
    fprintf(stderr, "usage: casa-scene [--seconds N]   (N > 0; without it: until killed)\n");
    return 2;
}

int main(int argc, char **argv)
{
    double seconds = 0;
    int glut_argc = 1;
    Display *display_connection;

    if (argc == 3 && strcmp(argv[1], "--seconds") == 0) {
        char *end;
        seconds = strtod(argv[2], &end);
        if (*end != '\0' || !(seconds > 0) || seconds > 86400)
            return usage();
    } else if (argc != 1) {
        return usage();
    }

    /* Asked before GLUT does, for a message that names the display. */
    display_connection = XOpenDisplay(NULL);
    if (!display_connection) {
        const char *name = XDisplayName(NULL);
        fprintf(stderr, "casa-scene: cannot open the display \"%s\": check DISPLAY and XAUTHORITY\n", name);
        return NO_DISPLAY;
    }
    XCloseDisplay(display_connection);

    glutInitErrorFunc(no_window);
    glutInit(&glut_argc, argv);
    glutInitDisplayMode(GLUT_RGB | GLUT_DOUBLE | GLUT_DEPTH);
    glutInitWindowSize(SIZE, SIZE);
    glutInitWindowPosition(0, 0);
    glutCreateWindow("casa-scene");
    glutDisplayFunc(display);
    glutReshapeFunc(reshape);
    if (seconds > 0)
        glutTimerFunc((unsigned)(seconds * 1000), time_is_over, 0);
    glutMainLoop();
    return 0;
}

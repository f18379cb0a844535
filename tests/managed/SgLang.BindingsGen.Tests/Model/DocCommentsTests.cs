using SgLang.BindingsGen.Model;

namespace SgLang.BindingsGen.Tests.Model;

public sealed class DocCommentsTests
{
    [Fact]
    public void Comments_belong_to_the_declaration_on_the_next_line()
    {
        HeaderModel model = TemporaryRoot.Read(
            """
            /// Belongs to nothing: a blank line follows.

            /// First.
            /// Second `code`.
            void sgl_a(void);
            void sgl_b(void);
            // Plain.
            void sgl_c(void);
            """);

        Assert.Equal(["First.", "Second `code`."], Doc(model, "sgl_a"));
        Assert.Empty(Doc(model, "sgl_b"));
        Assert.Empty(Doc(model, "sgl_c"));
    }

    [Fact]
    public void Members_have_their_own_comments_unless_they_share_their_parents_line()
    {
        HeaderModel model = TemporaryRoot.Read(
            """
            /// The enum's.
            typedef enum sgl_e { SGL_A, SGL_B } sgl_e;
            typedef struct sgl_s {
              /// The field's.
              int32_t a;
              int32_t b;
            } sgl_s;
            """);

        Assert.Equal(["The enum's."], model.Enums.Single().Doc);
        Assert.All(model.Enums.Single().Members, member => Assert.Empty(member.Doc));
        Assert.Equal(["The field's."], model.Structs.Single().Fields[0].Doc);
        Assert.Empty(model.Structs.Single().Fields[1].Doc);
    }

    private static IReadOnlyList<string> Doc(HeaderModel model, string function) => model.Functions.Single(f => f.Name == function).Doc;
}
